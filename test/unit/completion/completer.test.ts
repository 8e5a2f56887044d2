// Completions from end to end over the real model, and the trace they leave.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Completer } from "../../../sidecar/completion/completer";
import type { Backbone } from "../../../sidecar/inference/backbone";
import { createBackbone } from "../../../sidecar/inference/onnx-backbone";
import { loadModelPackage, type ModelPackage } from "../../../sidecar/inference/package/model-package";
import { PromptFormat } from "../../../sidecar/inference/prompt-format";
import { Tokenizer } from "../../../sidecar/inference/tokenizer";
import { type CompletionTrace, defaultSettings, type Settings } from "../../../sidecar/protocol";
import type { CursorContext } from "../../../sidecar/retrieval/types";
import type { ScoredFragment } from "../../../sidecar/workspace/fragment";
import type { FragmentSource } from "../../../sidecar/workspace/fragment-source";
import { modelPath } from "../../model";
import { Values } from "../../secrets/random";
import { type Scripted, scriptedBackbone } from "./scripted-backbone";

let model: ModelPackage;
let tokenizer: Tokenizer;
let promptFormat: PromptFormat;
let real: Backbone;
const logged: string[] = [];

beforeAll(async () => {
  model = await loadModelPackage(modelPath);
  tokenizer = await Tokenizer.load(model);
  promptFormat = new PromptFormat(model, tokenizer);
  real = await createBackbone(model, { provider: "cpu", threads: 1 });
});
afterAll(() => real.dispose());

const context: CursorContext = {
  uri: "file:///w/web/cart.ts",
  path: "web/cart.ts",
  languageId: "typescript",
  prefix: "import { addMoney } from './money';\n\nexport function total(a: Money, b: Money): Money {\n  return ",
  suffix: "\n}\n",
};
const hits: ScoredFragment[] = ["money", "tax"].map((name, at) => ({
  fragment: {
    uri: `file:///w/web/${name}.ts`,
    path: `web/${name}.ts`,
    startLine: 4,
    endLine: 6,
    text: `export function ${name}Of(a: Money): Money {\n  return a;\n}`,
  },
  score: 0.99 - at / 100,
}));
const source: FragmentSource = {
  fragmentCount: 2,
  revision: 1,
  vectorIndex: { name: "flat", reason: "test" },
  search: (_, k) => hits.slice(0, k),
};

const completer = (backbone: Backbone, from: () => FragmentSource | undefined = () => source) =>
  new Completer({ backbone, promptFormat, tokenizer, source: from, log: (line) => logged.push(line) });
const complete = (using: Completer, settings: Partial<Settings> = {}, signal?: AbortSignal, at = context) =>
  using.complete(at, { ...defaultSettings, ...settings }, { line: 3, character: 9 }, signal, performance.now());
/** A model that generates `text` after the last token of the prefix, which token healing makes it generate again. */
const saying = (text: string) =>
  scriptedBackbone(model, {
    tokens: [...tokenizer.encode(context.prefix).slice(-1), ...tokenizer.encode(text)],
    last: tokenizer.tokenOf(model.specialTokens.endOfText),
  });

describe("a completion of the real model", () => {
  it("has a trace with what happened and the time of each part", async () => {
    const trace = await complete(completer(real));
    expect(trace).toMatchObject({
      uri: context.uri,
      languageId: "typescript",
      position: { line: 3, character: 9 },
      provider: "cpu",
    });
    expect(trace.suggestion === "").toBe(trace.suppressed !== undefined);
    expect(["end-of-text", "end-of-statement", "end-of-block", "repetition", "token-limit"]).toContain(
      trace.stopReason,
    );
    expect(trace.fragments.map((fragment) => fragment.path)).toEqual(
      model.prompt.fragmentOrder === "best-last" ? ["web/tax.ts", "web/money.ts"] : ["web/money.ts", "web/tax.ts"],
    );
    expect(trace.nothingRetrieved).toBeUndefined();
    expect(trace.generatedTokens).toBeGreaterThan(0);
    expect(trace.generatedTokens).toBeLessThanOrEqual(defaultSettings.maxTokens);
    expect(trace.promptTokens).toBeGreaterThan(trace.fragments.reduce((sum, fragment) => sum + fragment.tokens, 0));
    const { totalMs, ...parts } = trace.timings;
    expect(Object.values(parts).every((part) => part >= 0)).toBe(true);
    expect(parts.prefillMs).toBeGreaterThan(0);
    expect(Object.values(parts).reduce((sum, part) => sum + part, 0)).toBeLessThanOrEqual(totalMs);
  });

  it("is the same when it is asked for again", async () => {
    const twice = [await complete(completer(real)), await complete(completer(real))];
    expect(twice[0]?.suggestion).toBe(twice[1]?.suggestion);
    expect(twice[0]?.generatedTokens).toBe(twice[1]?.generatedTokens);
  });

  it("is the same with retrieval off as without an index", async () => {
    const withAdapter = await complete(completer(real, () => undefined));
    const bare = await complete(completer(real), { retrieval: false });
    expect(withAdapter.suggestion).toBe(bare.suggestion);
    expect(withAdapter.promptTokens).toBe(bare.promptTokens);
  });

  it.each([
    ["an empty document", { prefix: "", suffix: "" }],
    ["white space", { prefix: "  \n\n", suffix: "\n " }],
    ["half a surrogate pair", { prefix: "const a = '\ud83d", suffix: "'" }],
    ["a line of a megabyte", { prefix: "x = ".repeat(250_000), suffix: "y(".repeat(500_000) }],
    ["special tokens in the text", { prefix: "<|endoftext|><|fim_middle|> const a = ", suffix: "<|fragment|>" }],
    ["a language nobody knows", { languageId: "klingon" }],
  ])("works in %s", async (_, change) => {
    const trace = await complete(completer(real), { maxTokens: 8 }, undefined, { ...context, ...change });
    expect(trace.promptTokens).toBeGreaterThan(0);
    expect(trace.promptTokens + 8).toBeLessThanOrEqual(model.contextLength);
  });

  it("stays within the model's context with the largest settings", async () => {
    const trace = await complete(
      completer(real),
      { maxTokens: 256, fragmentBudget: 8192, maxFragments: 16 },
      undefined,
      { ...context, prefix: "value = compute(1)\n".repeat(2000) },
    );
    expect(trace.promptTokens).toBeLessThanOrEqual(model.contextLength - 256);
  });

  it("is cancelled while the prompt is read", async () => {
    const controller = new AbortController();
    const running = complete(completer(real), {}, controller.signal, {
      ...context,
      prefix: "value = compute(1)\n".repeat(2000),
    });
    setTimeout(() => controller.abort(), 5);
    expect(await running).toMatchObject({ stopReason: "cancelled", suggestion: "" });
  });
});

describe("the trace of a completion", () => {
  it("holds the filtered suggestion", async () => {
    const trace = await complete(completer(saying("addMoney(a, b);  \n}\n")));
    expect(trace).toMatchObject({ suggestion: "addMoney(a, b);", stopReason: "end-of-statement" });
    expect(trace.suppressed).toBeUndefined();
  });

  it("names the filter that rejects the suggestion", async () => {
    const trace = await complete(completer(saying("   ")));
    expect(trace).toMatchObject({ suggestion: "", suppressed: "empty: is empty", stopReason: "end-of-text" });
  });

  it("has an id that rises by one", async () => {
    const one = completer(saying("a"));
    expect([(await complete(one)).id, (await complete(one)).id]).toEqual([1, 2]);
    expect(logged.at(-1)).toMatch(/^completion 2: /);
  });

  it.each<[string, Partial<Settings>, () => FragmentSource | undefined, string]>([
    ["retrieval is off", { retrieval: false }, () => source, "selfracg.retrieval is off"],
    ["no folder is open", {}, () => undefined, "no workspace folder is open"],
    ["the index is empty", {}, () => ({ ...source, fragmentCount: 0 }), "the index holds no fragment yet"],
    ["no fragment is wanted", { maxFragments: 0 }, () => source, "selfracg.maxFragments is 0"],
  ])("has the reason where %s", async (_, settings, from, reason) => {
    const trace = await complete(completer(saying("a"), from), settings);
    expect(trace).toMatchObject({ nothingRetrieved: reason, fragments: [], timings: { expressMs: 0, searchMs: 0 } });
  });

  it("has fragments as soon as there is an index", async () => {
    let now: FragmentSource | undefined;
    const one = completer(saying("a"), () => now);
    expect((await complete(one)).fragments).toHaveLength(0);
    now = source;
    expect((await complete(one)).fragments).toHaveLength(2);
  });

  it("names the fragments that do not fit in the prompt", async () => {
    const long = Array.from(
      { length: 16 },
      (_, at): ScoredFragment => ({
        fragment: {
          uri: `file:///w/f${at}.ts`,
          path: `f${at}.ts`,
          startLine: 1,
          endLine: 40,
          text: Array.from({ length: 40 }, (_, n) => `const value${at}x${n} = read${at}(${n});`).join("\n"),
        },
        score: 0.9 - at / 100,
      }),
    );
    const trace = await complete(
      completer(saying("a"), () => ({ ...source, fragmentCount: 16, search: () => long })),
      { maxFragments: 16, fragmentBudget: 8192, maxTokens: 256 },
    );
    expect(trace.fragments.length).toBeGreaterThan(2);
    expect(trace.fragments.length + trace.dropped.length).toBe(16);
    expect(trace.dropped[0]?.reason).toMatch(/^no room beside the code in a prompt of \d+ tokens$/);
  });

  it("has the time since the request arrived", async () => {
    const arrivedAt = performance.now() - 1000;
    const trace = await completer(saying("a")).complete(
      context,
      defaultSettings,
      { line: 0, character: 0 },
      undefined,
      arrivedAt,
    );
    expect(trace.timings.totalMs).toBeGreaterThanOrEqual(1000);
  });
});

describe("the fragments in the prompt over keystrokes", () => {
  const saidNeed = (angle: number) =>
    Float32Array.from({ length: model.retrieval.dimension }, (_, at) =>
      at === 0 ? Math.cos(angle) : at === 1 ? Math.sin(angle) : 0,
    );
  /** A model whose need turns with the letters of the prompt: by 0.1 with each `q`, by 2 with each `z`. */
  const turning = () =>
    scriptedBackbone(model, {
      tokens: [],
      last: tokenizer.tokenOf(model.specialTokens.endOfText),
      need: (tokens) =>
        saidNeed(
          [...tokenizer.decode(tokens)].reduce(
            (sum, letter) => sum + (letter === "q" ? 0.1 : letter === "z" ? 2 : 0),
            0,
          ),
        ),
    });
  const at = (typed: string, change: Partial<CursorContext> = {}): CursorContext => ({
    ...context,
    prefix: `${context.prefix}x = 1;\n  ${typed}`,
    ...change,
  });
  const paths = (trace: CompletionTrace) => trace.fragments.map(({ path }) => path);
  /** A source whose searches return fragments in this order. */
  const ranked = (order: readonly string[], scores: readonly number[], revision = 1): FragmentSource => {
    const found = order.map(
      (name, n): ScoredFragment => ({
        fragment: {
          uri: `file:///w/web/${name}.ts`,
          path: `web/${name}.ts`,
          startLine: 4,
          endLine: 6,
          text: `export function ${name}Of(a: Money): Money {\n  return ${name};\n}`,
        },
        score: scores[n] ?? 0,
      }),
    );
    return {
      fragmentCount: found.length,
      revision,
      vectorIndex: { name: "flat", reason: "test" },
      search: (_, k) => found.slice(0, k),
    };
  };

  it("are reused without a search while the need has hardly moved", async () => {
    const backbone = turning();
    let now = ranked(["money", "tax"], [0.5, 0.4]);
    const one = completer(backbone, () => now);
    const first = await complete(one, {}, undefined, at("a "));
    expect(first).toMatchObject({ fetched: "the first completion in this document" });
    expect(first.reused).toBeUndefined();
    now = ranked(["fee", "vat"], [0.9, 0.8]);
    const second = await complete(one, {}, undefined, at("a q "));
    expect(second.reused).toMatchObject({ since: first.id, reason: "the need has hardly moved" });
    expect(second.reused?.similarity).toBeCloseTo(Math.cos(0.1), 3);
    expect(second.fetched).toBeUndefined();
    expect(paths(second)).toEqual(paths(first));
    expect(second.dropped).toEqual(first.dropped);
    expect(second.timings).toMatchObject({ expressMs: 0, searchMs: 0 });
    expect(backbone.expressed).toHaveLength(1);
    expect(backbone.prompts).toHaveLength(2);
  });

  it("are compared with the need they were found for, so that small changes add up", async () => {
    const backbone = turning();
    let now = ranked(["money"], [0.5]);
    const one = completer(backbone, () => now);
    await complete(one, {}, undefined, at("a "));
    now = ranked(["fee"], [0.9]);
    const reasons: (string | undefined)[] = [];
    for (let n = 1; n <= 10; n++) reasons.push((await complete(one, {}, undefined, at(`a ${"q".repeat(n)} `))).fetched);
    expect(reasons.findIndex((reason) => reason !== undefined)).toBe(7);
    expect(reasons[7]).toMatch(
      /^the need moved \(similarity 0\.697\): another fragment scores 0\.900, the best one in use 0\.500$/,
    );
  });

  it("are replaced when the need moved and a search finds better ones", async () => {
    const backbone = turning();
    let now = ranked(["money", "tax"], [0.5, 0.4]);
    const one = completer(backbone, () => now);
    await complete(one, {}, undefined, at("a "));
    now = ranked(["fee", "money", "tax"], [0.9, 0.5, 0.4]);
    const moved = await complete(one, {}, undefined, at("a z "));
    // Fragments of imported files are boosted.
    expect(moved.fetched).toMatch(
      /^the need moved \(similarity -0\.416\): another fragment scores 0\.900, the best one in use 0\.5\d0, boosts included$/,
    );
    expect(new Set(paths(moved))).toEqual(new Set(["web/fee.ts", "web/money.ts", "web/tax.ts"]));
    expect(backbone.expressed).toHaveLength(2);
    const after = await complete(one, {}, undefined, at("a z b "));
    expect(after.reused).toMatchObject({ since: moved.id });
  });

  it("are reused with new scores when the need moved and a search finds nothing much better", async () => {
    const backbone = turning();
    let now = ranked(["money"], [0.5]);
    const one = completer(backbone, () => now);
    const first = await complete(one, {}, undefined, at("a "));
    now = ranked(["fee", "money"], [0.44, 0.4]);
    const moved = await complete(one, {}, undefined, at("a z "));
    expect(moved.reused).toMatchObject({
      since: first.id,
      reason: "the need moved (similarity -0.416), but nothing found is much better",
    });
    expect(moved.fragments).toMatchObject([{ path: "web/money.ts", score: 0.4 }]);
    const after = await complete(one, {}, undefined, at("a z b "));
    expect(after.reused).toMatchObject({ since: first.id, reason: "the need has hardly moved" });
    expect(after.reused?.similarity).toBeCloseTo(1, 5);
    expect(backbone.expressed).toHaveLength(2);
    // Once per completion: the prompt that shows whether the need moved is also the one that is used.
    expect(backbone.prompts).toHaveLength(3);
  });

  it("stay none while nothing is needed", async () => {
    const backbone = turning();
    const one = completer(backbone, () => ranked(["money"], [-0.9]));
    const first = await complete(one, {}, undefined, at("a "));
    const second = await complete(one, {}, undefined, at("a b "));
    expect(second).toMatchObject({
      fragments: [],
      nothingRetrieved: first.nothingRetrieved,
      reused: { since: first.id },
    });
    expect(second.nothingRetrieved).toMatch(/the model needs nothing/);
  });

  it("are searched again when the index changed, and never have the old text of a file", async () => {
    const backbone = turning();
    let now = ranked(["money"], [0.5]);
    const one = completer(backbone, () => now);
    const first = await complete(one, {}, undefined, at("a "));
    now = ranked(["money", "tax"], [0.5, 0.4], 2);
    expect((await complete(one, {}, undefined, at("a b "))).reused).toMatchObject({
      since: first.id,
      reason: "the index changed, but nothing found is much better",
    });
    const [edited] = now.search(saidNeed(0), 1).map(
      ({ fragment, score }): ScoredFragment => ({
        fragment: { ...fragment, text: fragment.text.replace("moneyOf", "moneyFor") },
        score,
      }),
    );
    now = { ...now, revision: 3, search: () => (edited === undefined ? [] : [edited]) };
    const after = await complete(one, {}, undefined, at("a b c "));
    expect(after.fetched).toBe("the index changed: web/money.ts:4-6 may have changed");
    expect(tokenizer.decode(backbone.prompts.at(-1) ?? [])).toContain("moneyFor(");
    expect(tokenizer.decode(backbone.prompts.at(-1) ?? [])).not.toContain("moneyOf(");
    now = { ...now, revision: 4, fragmentCount: 0 };
    expect(await complete(one, {}, undefined, at("a b c d "))).toMatchObject({
      fragments: [],
      nothingRetrieved: "the index holds no fragment yet",
    });
    expect(tokenizer.decode(backbone.prompts.at(-1) ?? [])).not.toContain("moneyFor(");
  });

  it.each<[string, Partial<CursorContext>, Partial<Settings>, RegExp]>([
    [
      "the cursor jumped",
      { prefix: context.prefix + "let y = 2;\n".repeat(60) },
      {},
      /^the cursor moved to another place$/,
    ],
    [
      "the document changed elsewhere",
      { suffix: `${context.suffix}${"let z = 3;\n".repeat(60)}` },
      {},
      /^the document changed elsewhere$/,
    ],
    ["the settings changed", {}, { maxFragments: 1 }, /^the settings changed$/],
    [
      "a fragment came into sight",
      { prefix: `${context.prefix}a;\n}\nexport function moneyOf(a: Money): Money {\n  return money;\n` },
      {},
      /^web\/money\.ts:4-6 \d+ % of its lines stand around the cursor already$/,
    ],
  ])("are searched again when %s", async (_, change, settings, reason) => {
    const backbone = turning();
    const one = completer(backbone, () => ranked(["money", "tax"], [0.5, 0.4]));
    await complete(one, {}, undefined, at("a "));
    expect((await complete(one, settings, undefined, at("a b ", change))).fetched).toMatch(reason);
  });

  it("are reused after a completion that was cancelled once they were found", async () => {
    const backbone = turning();
    const controller = new AbortController();
    const slow = {
      ...backbone,
      prefill: (...given: Parameters<Backbone["prefill"]>) => {
        controller.abort();
        return backbone.prefill(...given);
      },
    };
    const interrupted = completer(slow, () => ranked(["money"], [0.5]));
    expect(await complete(interrupted, {}, controller.signal, at("a "))).toMatchObject({ stopReason: "cancelled" });
    expect(await complete(interrupted, {}, undefined, at("a b "))).toMatchObject({
      reused: { since: 1, similarity: 1 },
    });
    expect(backbone.expressed).toHaveLength(1);
  });

  it("stay at the prompt's beginning, which changes at most once while 200 characters are typed", async () => {
    const backbone = turning();
    const one = completer(backbone, () => ranked(["money", "tax"], [0.5, 0.4]));
    const before = Array.from({ length: 120 }, (_, n) => `  const price${n} = addMoney(total${n}, tax(${n}));\n`).join(
      "",
    );
    const typed = Array.from({ length: 6 }, (_, n) => `  const sum${n} = pay(price${n}, price${n + 7});\n`)
      .join("")
      .slice(0, 200);
    expect(typed).toHaveLength(200);
    for (let end = 0; end <= typed.length; end++)
      await complete(one, { maxTokens: 1 }, undefined, { ...context, prefix: before + typed.slice(0, end) });
    expect(backbone.expressed).toHaveLength(1);
    expect(backbone.prompts).toHaveLength(201);
    let moved = 0;
    let reused = 0;
    for (const [n, prompt] of backbone.prompts.slice(1).entries()) {
      const former = backbone.prompts[n] ?? [];
      const common = former.findIndex((token, position) => prompt[position] !== token);
      const left = common < 0 ? 0 : former.length - common;
      if (left > 8) moved += 1;
      else reused += 1;
    }
    expect(moved).toBeLessThanOrEqual(1);
    expect(reused).toBeGreaterThanOrEqual(199);
  });

  it("need only the new tokens to be read by the real model, until the cursor moves elsewhere", async () => {
    const reads: { tokens: number; reused: number }[] = [];
    let expressed = 0;
    const watched: Backbone = {
      model,
      provider: real.provider,
      prefill: async (tokens, options) => {
        const read = await real.prefill(tokens, options);
        reads.push({ tokens: tokens.length, reused: read.reused });
        return read;
      },
      decode: (...given) => real.decode(...given),
      rewind: (...given) => real.rewind(...given),
      express: (...given) => {
        expressed += 1;
        return real.express(...given);
      },
      needWeights: (...given) => real.needWeights(...given),
      embed: (...given) => real.embed(...given),
      dispose: () => Promise.resolve(),
    };
    const one = completer(watched);
    const line = "addMoney(a, b)";
    const traces: CompletionTrace[] = [];
    for (let end = 0; end <= line.length; end++)
      traces.push(
        await complete(one, { maxTokens: 6 }, undefined, { ...context, prefix: context.prefix + line.slice(0, end) }),
      );
    expect(traces[0]?.fetched).toBe("the first completion in this document");
    for (const trace of traces.slice(1)) {
      expect(trace.reused).toMatchObject({ since: traces[0]?.id });
      expect(paths(trace)).toEqual(["web/tax.ts", "web/money.ts"]);
    }
    const unasked = traces.filter(({ reused }) => reused?.reason === "the need has hardly moved");
    expect(unasked.length).toBeGreaterThan(traces.length / 2);
    expect(expressed).toBe(traces.length - unasked.length);
    // The last token is read again for the logits after it, together with the typed text.
    expect(reads).toHaveLength(traces.length);
    for (const { tokens, reused } of reads.slice(1)) expect(tokens - reused).toBeLessThanOrEqual(4);
    const elsewhere = await complete(one, { maxTokens: 6 }, undefined, {
      ...context,
      prefix: `${context.prefix}a;\n}\n${"// more\n".repeat(40)}`,
      suffix: "",
    });
    expect(elsewhere.fetched).toBe("the cursor moved to another place");
  });
});

describe("a completion of a fill-in-the-middle model", () => {
  let middle: ModelPackage;
  let format: PromptFormat;
  beforeAll(() => {
    const fillInMiddle = [
      "<|path|>",
      "{path}",
      "\n",
      "<|fim_prefix|>",
      "{prefix}",
      "<|fim_suffix|>",
      "{suffix}",
      "<|fim_middle|>",
    ];
    middle = { ...model, prompt: { ...model.prompt, fillInMiddle } };
    format = new PromptFormat(middle, tokenizer);
  });
  const filling = (backbone: Backbone) =>
    new Completer({ backbone, promptFormat: format, tokenizer, source: () => source, log: () => {} });
  const says = (text: string, prefix = context.prefix) =>
    scriptedBackbone(middle, {
      tokens: [...tokenizer.encode(prefix).slice(-1), ...tokenizer.encode(text)],
      last: tokenizer.tokenOf("<|endoftext|>"),
    });

  it("has fragments, prefix and suffix in its prompt, and expresses the need at its end", async () => {
    const backbone = says("addMoney(a, b);");
    let expressed: readonly number[] = [];
    const watched: Backbone = {
      ...backbone,
      prefill: (tokens, options) => {
        expressed = options?.express === true ? tokens : [];
        return backbone.prefill(tokens, options);
      },
    };
    const trace = await complete(filling(watched), {}, undefined, context);
    expect(trace.suggestion).toBe("addMoney(a, b);");
    expect(trace.fragments).toHaveLength(2);
    const [prompt = []] = backbone.prompts;
    const text = tokenizer.decode(prompt);
    // The model generates the last token before the cursor again.
    const healed = context.prefix.slice(0, -1);
    expect(
      text.endsWith(`<|path|>web/cart.ts\n<|fim_prefix|>${healed}<|fim_suffix|>${context.suffix}<|fim_middle|>`),
    ).toBe(true);
    expect(text.startsWith("<|fragment|>web/")).toBe(true);
    expect(expressed).toEqual(prompt);
  });

  it("ends where the rest of the line begins", async () => {
    const at = { ...context, prefix: `${context.prefix}pay(`, suffix: `, rate);\n}\n` };
    const backbone = says("addMoney(a, b), rate);\n}\n\nexport function next() {}", at.prefix);
    const trace = await complete(filling(backbone), {}, undefined, at);
    expect(trace).toMatchObject({ suggestion: "addMoney(a, b)", stopReason: "end-of-statement" });
    expect(tokenizer.decode(backbone.held)).not.toContain("export");
  });

  it("appends to the prompt's prefix while one types", async () => {
    const backbone = says("");
    const one = filling(backbone);
    const before = Array.from({ length: 120 }, (_, n) => `  const price${n} = addMoney(total${n}, tax(${n}));\n`).join(
      "",
    );
    const typed = Array.from({ length: 4 }, (_, n) => `  const sum${n} = pay(price${n}, price${n + 7});\n`)
      .join("")
      .slice(0, 120);
    for (let end = 0; end <= typed.length; end++)
      await complete(one, { maxTokens: 1 }, undefined, { ...context, prefix: before + typed.slice(0, end) });
    const border = tokenizer.tokenOf("<|fim_suffix|>");
    let moved = 0;
    for (const [n, prompt] of backbone.prompts.slice(1).entries()) {
      const former = backbone.prompts[n] ?? [];
      const common = former.findIndex((token, position) => prompt[position] !== token);
      // The code after the cursor is read again, and the tokens that a key may change.
      if (common >= 0 && former.indexOf(border) - common > 8) moved += 1;
      expect(prompt.filter((token) => token === border)).toHaveLength(1);
      expect(tokenizer.decode(prompt.slice(prompt.indexOf(border)))).toBe(
        `<|fim_suffix|>${context.suffix}<|fim_middle|>`,
      );
    }
    expect(moved).toBeLessThanOrEqual(1);
  });
});

describe("the setting quietIn", () => {
  const at = (prefix: string, suffix = "\n") => ({ ...context, prefix, suffix });

  it.each<[Settings["quietIn"], CursorContext, string]>([
    [["comments"], at("// adds "), 'the cursor is in a comment, and selfracg.quietIn holds "comments"'],
    [["comments", "strings"], at("/*\n * adds "), 'the cursor is in a comment, and selfracg.quietIn holds "comments"'],
    [["strings"], at("const a = 'b", "';\n"), 'the cursor is in a string, and selfracg.quietIn holds "strings"'],
    [["strings"], at("const a = `b ", "`;\n"), 'the cursor is in a string, and selfracg.quietIn holds "strings"'],
  ])(
    "with %j suppresses the suggestion without reading anything, with the reason",
    async (quietIn, document, suppressed) => {
      const backbone = saying("a");
      for (const invoked of [false, true]) {
        const trace = await completer(backbone).complete(
          document,
          { ...defaultSettings, quietIn },
          { line: 0, character: 0 },
          undefined,
          performance.now(),
          { invoked },
        );
        expect(trace).toMatchObject({ suggestion: "", suppressed, stopReason: "not-started", promptTokens: 0 });
      }
      expect(backbone.prompts).toEqual([]);
      expect(backbone.expressed).toEqual([]);
    },
  );

  it.each<[Settings["quietIn"], CursorContext]>([
    [["comments"], at("const a = 'b", "';\n")],
    [["strings"], at("// adds ")],
    [["comments", "strings"], at("// adds two numbers\n")],
    [["comments", "strings"], at("const a = `${", "}`;\n")],
    [["comments", "strings"], at("const a = 'b' + ")],
    [[], at("// adds ")],
  ])("with %j suppresses nothing elsewhere", async (quietIn, document) => {
    const backbone = saying("a");
    await complete(completer(backbone), { quietIn }, undefined, document);
    expect(backbone.prompts).toHaveLength(1);
  });
});

describe("secrets in the document", () => {
  const password = new Values(5).password();
  const above = `const db = connect({ user: "shop", password: "${password}" });\n`;
  const below = `\n}\nexport const url = "postgres://shop:${password}@db.internal/shop";\n`;
  const at = { ...context, prefix: above + context.prefix, suffix: below };
  const readBy = ({ prompts, expressed }: Scripted) =>
    [...prompts, ...expressed].map((tokens) => tokenizer.decode(tokens)).join("\n");

  it("are covered in the prompt, and suggestions are made", async () => {
    const backbone = saying("addMoney(a, b)");
    const trace = await complete(completer(backbone), {}, undefined, at);
    expect(trace.suggestion).toBe("addMoney(a, b)");
    expect(readBy(backbone)).toContain('user: "shop"');
    expect(readBy(backbone)).not.toContain(password);
    expect(readBy(backbone)).not.toContain(password.slice(2, 8));
  });

  it("are covered in a search", async () => {
    const backbone = saying("");
    await completer(backbone).search(at, defaultSettings);
    await completer(backbone).searchCode(above, context, defaultSettings, 5);
    expect(backbone.expressed).toHaveLength(2);
    expect(readBy(backbone)).not.toContain(password);
  });

  it("suppress the suggestion where the cursor is inside one, without reading anything", async () => {
    const backbone = saying("addMoney(a, b)");
    const half = {
      ...context,
      prefix: `const password = "${password.slice(0, 9)}`,
      suffix: `${password.slice(9)}";\n`,
    };
    const trace = await complete(completer(backbone), {}, undefined, half);
    expect(trace).toMatchObject({
      suggestion: "",
      suppressed: "the cursor is in what looks like a password or key given to its name",
      stopReason: "not-started",
    });
    expect(backbone.prompts).toEqual([]);
  });

  it("are not suggested", async () => {
    const trace = await complete(completer(saying(`connect({ password: "${password}" })`)), {}, undefined, context);
    expect(trace).toMatchObject({
      suggestion: "",
      suppressed: expect.stringMatching(/^secret: looks like a password/),
    });
  });
});

describe("the confidence", () => {
  const thresholds = { more: 0.2, balanced: 0.5, fewer: 0.8 };
  const judged = (probability: number, frequency: Settings["frequency"], invoked = false) =>
    new Completer({
      backbone: saying("addMoney(a, b);"),
      promptFormat,
      tokenizer,
      source: () => source,
      log: (line) => logged.push(line),
      calibration: { probability: () => probability, thresholds },
    }).complete(context, { ...defaultSettings, frequency }, { line: 3, character: 9 }, undefined, performance.now(), {
      invoked,
    });

  it.each<[number, Settings["frequency"], boolean]>([
    [0.5, "balanced", true],
    [0.49, "balanced", false],
    [0.49, "more", true],
    [0.79, "fewer", false],
    [0.8, "fewer", true],
  ])("%d, with frequency %s, shows the suggestion: %s", async (probability, frequency, shown) => {
    const trace = await judged(probability, frequency);
    expect(trace.confidence).toMatchObject({ probability, threshold: thresholds[frequency] });
    expect(trace.confidence?.meanLogProbability).toBeLessThanOrEqual(0);
    expect(trace.suggestion).toBe(shown ? "addMoney(a, b);" : "");
    if (shown) expect(trace.suppressed).toBeUndefined();
    else
      expect(trace.suppressed).toBe(
        `the model is unsure: ${Math.round(probability * 100)} % likely to be right, and selfracg.frequency "${frequency}" shows from ${Math.round(thresholds[frequency] * 100)} % on`,
      );
  });

  it("suppresses nothing with a package that states no calibration", async () => {
    const { confidence: _, ...silent } = model;
    const backbone = { ...saying("addMoney(a, b);"), model: silent };
    const trace = await complete(completer(backbone), { frequency: "fewer" });
    expect(trace.suggestion).toBe("addMoney(a, b);");
    expect(Object.keys(trace.confidence ?? {})).toEqual(["meanLogProbability"]);
  });

  it("suppresses nothing that the user asks for", async () => {
    const trace = await judged(0.1, "fewer", true);
    expect(trace).toMatchObject({ suggestion: "addMoney(a, b);", confidence: { probability: 0.1, threshold: 0.8 } });
  });

  it("is absent where the filters leave nothing", async () => {
    expect((await complete(completer(saying("   ")))).confidence).toBeUndefined();
  });
});

it("a completion is cancelled before it begins", async () => {
  const backbone = saying("a");
  const trace = await complete(completer(backbone), {}, AbortSignal.abort());
  expect(trace).toMatchObject({ stopReason: "cancelled", suggestion: "", generatedTokens: 0 });
  expect(trace.suppressed).toMatch(/^cancelled/);
  expect(backbone.prompts).toEqual([]);
});

it("a completion rejects when the backbone fails", async () => {
  const broken = { ...saying("a"), prefill: () => Promise.reject(new Error("out of memory")) };
  await expect(complete(completer(broken))).rejects.toThrow("out of memory");
});

it("a search by code treats all line breaks alike", async () => {
  const backbone = saying("a");
  for (const text of [
    "const a = 1;\nconst b = 2;\n",
    "const a = 1;\r\nconst b = 2;\r\n",
    "const a = 1;\rconst b = 2;\r",
  ])
    await completer(backbone).searchCode(text, context, defaultSettings, 5);
  expect(backbone.expressed[1]).toEqual(backbone.expressed[0]);
  expect(backbone.expressed[2]).toEqual(backbone.expressed[0]);
});

it("a search generates nothing", async () => {
  const backbone = saying("a");
  const { selected } = await completer(backbone).search(context, defaultSettings);
  expect(selected.map(({ reference }) => reference.path)).toEqual(["web/money.ts", "web/tax.ts"]);
  expect(backbone.prompts).toEqual([]);
});
