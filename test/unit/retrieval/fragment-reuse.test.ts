// Which fragments a prompt reuses: typing keeps them, other edits do not, and new ones replace them only if better.
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { loadModelPackage } from "../../../sidecar/inference/package/model-package";
import { PromptFormat } from "../../../sidecar/inference/prompt-format";
import { Tokenizer } from "../../../sidecar/inference/tokenizer";
import { compareWithFresh, FragmentReuse, type ReusedFragments } from "../../../sidecar/retrieval/fragment-reuse";
import { Retriever } from "../../../sidecar/retrieval/retriever";
import type { CursorContext, Retrieval, RetrievalLimits, SelectedFragment } from "../../../sidecar/retrieval/types";
import { visibleText } from "../../../sidecar/retrieval/visible-text";
import type { Fragment } from "../../../sidecar/workspace/fragment";
import { modelPath } from "../../model";
import { scriptedBackbone } from "../completion/scripted-backbone";

let tokenizer: Tokenizer;
let retriever: Retriever;
let reuse: FragmentReuse;
beforeAll(async () => {
  const model = await loadModelPackage(modelPath, { verifyHashes: false });
  tokenizer = await Tokenizer.load(model);
  retriever = new Retriever({
    backbone: scriptedBackbone(model, { tokens: [], last: 0 }),
    promptFormat: new PromptFormat(model, tokenizer),
    source: () => undefined,
  });
});
beforeEach(() => (reuse = new FragmentReuse(retriever)));

const uri = "file:///w/a.py";
const above = Array.from({ length: 60 }, (_, n) => `value_${n} = compute(${n})\n`).join("");
const below = Array.from({ length: 60 }, (_, n) => `show(value_${n})\n`).join("");
const at = (prefix: string, suffix = below, change: Partial<CursorContext> = {}): CursorContext => ({
  uri,
  path: "a.py",
  languageId: "python",
  prefix,
  suffix,
  ...change,
});
const limits = { maxFragments: 4, fragmentBudget: 448 };

function fragment(name: string, score: number, change: Partial<Fragment> = {}): SelectedFragment {
  const text = `def ${name}(price):\n    return price.${name}`;
  const whole = { uri: `file:///w/${name}.py`, path: `${name}.py`, startLine: 1, endLine: 2, text, ...change };
  const { path, startLine, endLine } = whole;
  return { fragment: whole, reference: { path, uri: whole.uri, startLine, endLine, score, tokens: 2 }, tokens: [1, 2] };
}
const tax = fragment("tax", 0.5);
const last = (change: Partial<ReusedFragments> = {}): ReusedFragments => ({
  since: 3,
  selected: [tax],
  dropped: [],
  need: undefined,
  context: at(above),
  limits,
  maxCodeTokens: 512,
  revision: 1,
  ...change,
});
const recall = (context: CursorContext, maxCodeTokens = 512, within: RetrievalLimits = limits) =>
  reuse.recall({ context, limits: within, visible: visibleText(context, maxCodeTokens, tokenizer) });

describe("the fragments of the last completion", () => {
  it("are unknown before the first completion, and after a completion without fragments", () => {
    expect(recall(at(above))).toBe("the first completion in this document");
    reuse.remember(last());
    expect(recall(at(above, below, { uri: "file:///w/b.py" }))).toBe("the first completion in this document");
    reuse.withoutFragments(uri, "selfracg.retrieval is off");
    expect(recall(at(above))).toBe("the first completion in this document");
  });

  it.each<[string, CursorContext]>([
    ["nothing", at(above)],
    ["typing", at(`${above}tot`)],
    ["deleting", at(above.slice(0, -5))],
    ["a bracket that the editor closes", at(`${above}print(`, `)${below}`)],
    ["typing over a closer", at(`${above}print()`, below.slice(1))],
    ["an accepted suggestion", at(`${above}total = sum(value_1, value_2)\nprint(total)\n`)],
    ["an edit of the line below", at(above, below.replace("show(value_0)", "print(value_0)"))],
  ])("are reused after %s", (_, now) => {
    reuse.remember(last());
    expect(recall(now)).toMatchObject({ since: 3, selected: [tax] });
  });

  it.each<[string, CursorContext, string]>([
    ["a jump up", at(above.slice(0, 400), above.slice(400) + below), "the cursor moved to another place"],
    ["a jump down", at(above + below.slice(0, 400), below.slice(400)), "the cursor moved to another place"],
    ["a long paste", at(above + above), "the cursor moved to another place"],
    ["an edit far above", at(above.replace("value_1 ", "valve_1 ")), "the document changed elsewhere"],
    ["an edit far below", at(above, below.replace("value_50", "valve_50")), "the document changed elsewhere"],
    [
      "lines inserted far below",
      at(above, below.replace("show(value_50)", "show(value_50)\n".repeat(30))),
      "the document changed elsewhere",
    ],
    ["a rename", at(above, below, { path: "b.py" }), "the document changed elsewhere"],
  ])("are not reused after %s", (_, now, reason) => {
    reuse.remember(last());
    expect(recall(now)).toBe(reason);
  });

  it("are reused over any number of lines typed", () => {
    let prefix = above;
    reuse.remember(last());
    for (let n = 0; n < 20; n++) {
      prefix += `total_${n} = value_${n} * value_${n + 1}\n`;
      const found = recall(at(prefix));
      if (typeof found === "string") throw new Error(found);
      reuse.remember({ ...found, context: at(prefix) });
    }
  });

  it("are not reused when the settings have changed", () => {
    reuse.remember(last());
    for (const change of [
      { maxFragments: 3 },
      { fragmentBudget: 100 },
      { pinnedFiles: ["a.py"] },
      { bannedFiles: ["tax.py"] },
    ])
      expect(recall(at(above), 512, { ...limits, ...change })).toBe("the settings changed");
    expect(recall(at(above), 300)).toBe("the settings changed");
  });

  it("are not reused once the visible text shows the same lines", () => {
    reuse.remember(last());
    const typed = `${above}def tax(price):\n    return price.`;
    expect(recall(at(typed))).toMatchObject({ since: 3 });
    expect(recall(at(`${typed}tax\n`))).toBe("tax.py:1-2 100 % of its lines stand around the cursor already");
    reuse.remember(last({ selected: [fragment("own", 0.5, { uri, path: "a.py", startLine: 62, endLine: 63 })] }));
    expect(recall(at(above))).toMatch(/^a\.py:62-63 overlaps lines \d+-\d+ of this file/);
  });

  it("are remembered for the documents used last", () => {
    const name = (n: number) => `file:///w/${n}.py`;
    for (let n = 0; n < 20; n++) {
      reuse.remember(last({ context: at(above, below, { uri: name(n) }) }));
      reuse.remember(last());
    }
    expect(recall(at(above))).toMatchObject({ since: 3 });
    expect(recall(at(above, below, { uri: name(19) }))).toMatchObject({ since: 3 });
    expect(recall(at(above, below, { uri: name(2) }))).toBe("the first completion in this document");
  });
});

describe("newly found fragments", () => {
  const rule = { similarity: 0.7, margin: 0.05 };
  const found = (...selected: readonly SelectedFragment[]): Retrieval => ({
    selected,
    dropped: [],
    found: selected.map(({ fragment: each, reference: { score, boost } }) => ({
      fragment: each,
      score,
      ...(boost !== undefined && { boost }),
    })),
    timings: { expressMs: 1, searchMs: 1, selectMs: 1 },
  });

  it("replace an empty selection, unless nothing is needed now either", () => {
    expect(compareWithFresh(last({ selected: [] }), found(tax), 1, rule)).toBe(
      "the last completion needed nothing, and this one needs something",
    );
    expect(
      compareWithFresh(last({ selected: [] }), { ...found(), nothing: "the model needs nothing" }, 1, rule),
    ).toMatchObject({
      selected: [],
      nothing: "the model needs nothing",
    });
  });

  it("replace the old ones when the best new one exceeds the best old one by the margin", () => {
    expect(compareWithFresh(last(), found(fragment("vat", 0.6), fragment("tax", 0.54)), 1, rule)).toBe(
      "another fragment scores 0.600, the best one in use 0.540",
    );
    expect(compareWithFresh(last(), found(fragment("vat", 0.6), fragment("tax", 0.56)), 1, rule)).toMatchObject({
      selected: [{ reference: { path: "tax.py", score: 0.56 } }],
      dropped: [{ path: "vat.py", score: 0.6, reason: "not better by 0.05 than the best fragment in use" }],
    });
  });

  it("are compared by score and boost together", () => {
    const boosted = (one: SelectedFragment, by: number): SelectedFragment => ({
      ...one,
      reference: { ...one.reference, boost: { by, reason: "imported here" } },
    });
    const vat = fragment("vat", 0.6);
    expect(
      compareWithFresh(
        last(),
        {
          ...found(vat),
          found: [
            { fragment: vat.fragment, score: 0.6 },
            { fragment: tax.fragment, score: 0.4, boost: { by: 0.2, reason: "imported here" } },
          ],
        },
        1,
        rule,
      ),
    ).toMatchObject({
      selected: [{ reference: { path: "tax.py", score: 0.4, boost: { by: 0.2 } } }],
    });
    expect(compareWithFresh(last(), found(boosted(vat, 0.1), fragment("tax", 0.6)), 1, rule)).toBe(
      "another fragment scores 0.700, the best one in use 0.600, boosts included",
    );
    expect(
      compareWithFresh(last({ selected: [boosted(tax, 0.3)] }), found(vat, fragment("tax", 0.56)), 1, rule),
    ).toMatchObject({
      selected: [{ reference: { score: 0.56 } }],
    });
  });

  it("do not replace old ones that hold the best of them, in any order", () => {
    const vat = fragment("vat", 0.4);
    const compared = compareWithFresh(
      last({ selected: [tax, vat] }),
      found(fragment("vat", 0.9), fragment("fee", 0.8)),
      1,
      rule,
    );
    expect(compared).toMatchObject({
      selected: [{ reference: { path: "tax.py", score: 0.5 } }, { reference: { path: "vat.py", score: 0.9 } }],
      dropped: [{ path: "fee.py" }],
    });
  });

  it("replace an old one that scores too little to be found", () => {
    expect(compareWithFresh(last(), found(fragment("vat", 0.4), fragment("fee", 0.2)), 1, rule)).toBe(
      "another fragment scores 0.400, the best one in use 0.200",
    );
  });

  it("replace an old one whose text may have changed", () => {
    const edited = fragment("tax", 0.5, { text: "def tax(price):\n    return price.vat" });
    expect(compareWithFresh(last(), found(edited), 2, rule)).toBe("tax.py:1-2 may have changed");
    expect(compareWithFresh(last(), found(fragment("vat", 0.5)), 2, rule)).toBe("tax.py:1-2 may have changed");
  });

  it("give an old one the lines that it has now", () => {
    const moved = fragment("tax", 0.5, { startLine: 11, endLine: 12 });
    expect(compareWithFresh(last(), found(moved), 2, rule)).toMatchObject({
      selected: [{ tokens: tax.tokens, fragment: { startLine: 11 }, reference: { startLine: 11, endLine: 12 } }],
      dropped: [],
    });
  });
});
