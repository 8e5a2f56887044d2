// Retrieval from end to end over the real model: what is found, and why nothing is.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backbone } from "../../../sidecar/inference/backbone";
import { createBackbone } from "../../../sidecar/inference/onnx-backbone";
import { loadModelPackage } from "../../../sidecar/inference/package/model-package";
import { PromptFormat } from "../../../sidecar/inference/prompt-format";
import { Tokenizer } from "../../../sidecar/inference/tokenizer";
import { defaultBoosts } from "../../../sidecar/retrieval/boosts";
import { nullScoreOf } from "../../../sidecar/retrieval/query";
import { Retriever } from "../../../sidecar/retrieval/retriever";
import type { CursorContext, RetrievalLimits } from "../../../sidecar/retrieval/types";
import { visibleText } from "../../../sidecar/retrieval/visible-text";
import type { Fragment, ScoredFragment } from "../../../sidecar/workspace/fragment";
import type { FragmentSource } from "../../../sidecar/workspace/fragment-source";
import { modelPath } from "../../model";

let backbone: Backbone;
let tokenizer: Tokenizer;
let promptFormat: PromptFormat;

beforeAll(async () => {
  const model = await loadModelPackage(modelPath);
  tokenizer = await Tokenizer.load(model);
  promptFormat = new PromptFormat(model, tokenizer);
  backbone = await createBackbone(model, { provider: "cpu", threads: 1 });
});
afterAll(() => backbone.dispose());

const fragment = (path: string, text: string): Fragment => ({
  uri: `file:///w/${path}`,
  path,
  startLine: 1,
  endLine: text.split("\n").length,
  text,
});
const fragments = [
  fragment("shop/money.py", "class Money:\n    def times(self, factor):\n        return Money(self.cents * factor)"),
  fragment("shop/stock.py", "class Stock:\n    def reserve(self, copies):\n        self.reserved += copies"),
];
const context: CursorContext = {
  uri: "file:///w/a.py",
  path: "a.py",
  languageId: "python",
  prefix: "from shop.money import Money\n\ntotal = Money(3).",
  suffix: "\n",
};
const limits = { maxFragments: 4, fragmentBudget: 448 };
const request = (within: RetrievalLimits) => ({
  context,
  visible: visibleText(context, 500, tokenizer),
  limits: within,
});

/** A source that scans what the real fragment adapter made of the fragments. */
async function indexed(texts: readonly Fragment[]): Promise<FragmentSource & { asked: number[] }> {
  const vectors = await backbone.embed(texts.map(({ path, text }) => promptFormat.fragmentEmbedding(path, text)));
  const asked: number[] = [];
  return {
    asked,
    fragmentCount: texts.length,
    revision: 1,
    vectorIndex: { name: "flat", reason: "test" },
    search(need, k, counts = () => true) {
      asked.push(k);
      const score = (vector: Float32Array) => vector.reduce((sum, value, at) => sum + value * (need[at] ?? 0), 0);
      const scored = texts.map(
        (text, at): ScoredFragment => ({ fragment: text, score: score(vectors[at] ?? new Float32Array()) }),
      );
      return scored
        .filter((each) => counts(each.fragment))
        .sort((a, b) => b.score - a.score)
        .slice(0, k);
    },
  };
}

const retriever = (source: FragmentSource | undefined, nullScore = -1) =>
  new Retriever({
    backbone: { ...backbone, model: withNullScore(nullScore), express: backbone.express.bind(backbone) } as Backbone,
    promptFormat,
    source: () => source,
  });
/** A fixed null score in place of the model's own vector. */
function withNullScore(nullScore: number) {
  const { nullVector: _, ...retrieval } = backbone.model.retrieval;
  return { ...backbone.model, retrieval: { ...retrieval, nullScore } };
}

describe("retrieval", () => {
  it("has fragments with lines, score and tokens, and the time of each step", async () => {
    const { selected, dropped, nothing, timings } = await retriever(await indexed(fragments)).retrieve(request(limits));
    expect(nothing).toBeUndefined();
    expect(dropped).toEqual([]);
    expect(selected.map(({ reference }) => reference.path).sort()).toEqual(["shop/money.py", "shop/stock.py"]);
    for (const { fragment: chosen, reference, tokens } of selected) {
      expect(reference).toMatchObject({ uri: chosen.uri, startLine: 1, endLine: 3, tokens: tokens.length });
      expect(Math.abs(reference.score)).toBeLessThanOrEqual(1.0001);
      expect(tokenizer.decode(tokens)).toContain(chosen.text);
    }
    expect(selected[0]?.reference.score).toBeGreaterThanOrEqual(selected[1]?.reference.score ?? 2);
    expect(timings.expressMs).toBeGreaterThan(0);
    expect(timings.searchMs).toBeGreaterThan(0);
    expect(timings.selectMs).toBeGreaterThan(0);
  });

  it("cuts a fragment to the tokens that the model was trained on", async () => {
    const long = fragment("long.py", Array.from({ length: 400 }, (_, n) => `value_${n} = compute(${n})`).join("\n"));
    const { selected } = await retriever(await indexed([long])).retrieve(request(limits));
    expect(selected[0]?.tokens.length).toBe(backbone.model.retrieval.fragmentTokens);
  });

  it("finds fragments behind many that are already visible", async () => {
    // The visible lines stand in forty other files too, and each of them is nearer to the need than what is new.
    const shown = Array.from({ length: 40 }, (_, at) => fragment(`copy${at}.py`, context.prefix.trimEnd()));
    const source = await indexed([...shown, ...fragments]);
    const { selected, dropped } = await retriever(source).retrieve(request(limits));
    expect(dropped.length).toBeGreaterThanOrEqual(30);
    expect(selected.map(({ reference }) => reference.path).sort()).toEqual(["shop/money.py", "shop/stock.py"]);
  });

  it("finds fragments behind many that are banned, and names the pattern", async () => {
    const banned = Array.from({ length: 70 }, (_, at) =>
      fragment(`old/copy${at}.py`, `${fragments[0]?.text}\n# ${at}`),
    );
    const source = await indexed([...banned, ...fragments]);
    const { selected, dropped } = await retriever(source).retrieve(
      request({ ...limits, maxFragments: 2, bannedFiles: ["old/"] }),
    );
    expect(selected.map(({ reference }) => reference.path).sort()).toEqual(["shop/money.py", "shop/stock.py"]);
    expect(new Set(dropped.map(({ reason }) => reason))).toEqual(new Set(["banned by selfracg.bannedFiles: old/"]));
    const best = (await retriever(source).rank(context, { ...limits, bannedFiles: ["old/"] }, 20)).fragments;
    expect(best.map(({ path }) => path).sort()).toEqual(["shop/money.py", "shop/stock.py"]);
  });

  it("selects pinned fragments first if they are needed", async () => {
    const nearer = Array.from({ length: 70 }, (_, at) => fragment(`old/copy${at}.py`, `${context.prefix}amount_${at}`));
    const source = await indexed([...nearer, ...fragments]);
    const pinning = { ...limits, maxFragments: 1, pinnedFiles: ["stock.py"] };
    const { selected } = await retriever(source).retrieve(request(pinning));
    expect(selected[0]?.reference).toMatchObject({
      path: "shop/stock.py",
      boost: { by: 2, reason: "pinned by selfracg.pinnedFiles: stock.py" },
    });
    expect((await retriever(source).rank(context, pinning, 1)).fragments.map(({ path }) => path)).toEqual([
      "shop/stock.py",
    ]);
    const { reference } = selected[0] ?? {};
    const unneeded = await retriever(source, (reference?.score ?? 0) + 0.001).retrieve(request(pinning));
    expect(unneeded.selected.map(({ reference: { path } }) => path)).not.toContain("shop/stock.py");
    expect(unneeded.dropped.find(({ path }) => path === "shop/stock.py")?.reason).toMatch(/is below/);
  });

  it("has the null score, and the boost of each fragment", async () => {
    const source = await indexed(fragments);
    const boosts = defaultBoosts((uri) => uri.endsWith("stock.py"), { imported: 0, edited: 2 });
    const options = {
      backbone: { ...backbone, model: withNullScore(-1), express: backbone.express.bind(backbone) } as Backbone,
      promptFormat,
      source: () => source,
      boosts,
    };
    const { nullScore, selected } = await new Retriever(options).retrieve(request(limits));
    expect(nullScore).toBe(-1);
    expect(selected.map(({ reference: { path, boost } }) => [path, boost])).toEqual([
      ["shop/stock.py", { by: 2, reason: "edited lately" }],
      ["shop/money.py", undefined],
    ]);
  });

  it("searches for more fragments than it selects", async () => {
    const source = await indexed(fragments);
    await retriever(source).retrieve(request(limits));
    expect(source.asked[0]).toBeGreaterThan(limits.maxFragments);
  });
});

describe("a ranking", () => {
  it("has the fragments that would be retrieved, best first, with the null score", async () => {
    const source = await indexed(fragments);
    const found = await retriever(source, 0.3).rank(context, limits, 20);
    const { selected } = await retriever(source).retrieve(request(limits));
    expect(found.nullScore).toBe(0.3);
    expect(found.fragments).toEqual(selected.map(({ reference }) => reference));
    expect((await retriever(source).rank(context, limits, 1)).fragments).toEqual(found.fragments.slice(0, 1));
  });

  it("is empty without an index, and has the null score", async () => {
    expect(await retriever(undefined, 0.3).rank(context, limits, 20)).toEqual({ fragments: [], nullScore: 0.3 });
  });
});

describe("retrieval selects nothing, with the reason,", () => {
  const reason = async (source: FragmentSource | undefined, options: Partial<typeof limits> = {}, nullScore?: number) =>
    (await retriever(source, nullScore).retrieve(request({ ...limits, ...options }))).nothing;

  it("without a workspace", async () => expect(await reason(undefined)).toBe("no workspace folder is open"));
  it("with an empty index", async () =>
    expect(await reason(await indexed([]))).toBe("the index holds no fragment yet"));
  it("with limits of zero", async () => {
    const source = await indexed(fragments);
    expect(await reason(source, { maxFragments: 0 })).toMatch(/maxFragments is 0/);
    expect(await reason(source, { fragmentBudget: 0 })).toMatch(/fragmentBudget is 0/);
    expect(source.asked).toEqual([]);
  });
  it("when the model needs nothing", async () => {
    expect(await reason(await indexed(fragments), {}, 1.01)).toMatch(
      /^the model needs nothing: the best score, -?\d\.\d{3}, is below 1\.010$/,
    );
  });
  it("when needing nothing is the nearest expression", async () => {
    const { dimension } = backbone.model.retrieval;
    const need = await backbone.express(promptFormat.query(context.path, context.prefix));
    const { retrieval } = withNullScore(0.25);
    expect(nullScoreOf(retrieval, need)).toBe(0.25);
    expect(nullScoreOf({ ...retrieval, nullVector: [...need] }, need)).toBeCloseTo(1.25, 5);
    expect(nullScoreOf({ ...retrieval, nullVector: Array<number>(dimension).fill(0) }, need)).toBe(0.25);
    const model = { ...backbone.model, retrieval: { ...retrieval, nullVector: [...need] } };
    const source = await indexed(fragments);
    const { nothing, dropped } = await new Retriever({
      backbone: { ...backbone, model, express: async () => need } as Backbone,
      promptFormat,
      source: () => source,
    }).retrieve(request(limits));
    expect(nothing).toMatch(/^the model needs nothing: .* is below 1\.250$/);
    expect(dropped.every(({ reason }) => reason.includes("is below 1.250"))).toBe(true);
  });
  it("when all fragments found are already visible", async () => {
    const onScreen = fragment("b.py", context.prefix);
    expect(await reason(await indexed([onScreen]))).toBe("every fragment found was dropped");
  });
});

it("retrieval stops when its signal is aborted", async () => {
  const source = await indexed(fragments);
  await expect(retriever(source).retrieve(request(limits), AbortSignal.abort())).rejects.toMatchObject({
    name: "AbortError",
  });
  expect(source.asked).toEqual([]);
});
