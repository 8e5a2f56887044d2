// Which fragments stay over keystrokes: typing on keeps them, anything else does not, and new ones must be worth it.
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import { loadModelPackage } from "../../../sidecar/inference/package/model-package";
import { Tokenizer } from "../../../sidecar/inference/tokenizer";
import { type Kept, KeptFragments, weigh } from "../../../sidecar/retrieval/fragment-reuse";
import type { CursorContext, Retrieval, SelectedFragment } from "../../../sidecar/retrieval/types";
import type { Fragment } from "../../../sidecar/workspace/fragment";
import { modelPath } from "../../model";

let tokenizer: Tokenizer;
let documents: KeptFragments;
beforeAll(async () => {
  tokenizer = await Tokenizer.load(await loadModelPackage(modelPath, { verifyHashes: false }));
});
beforeEach(() => (documents = new KeptFragments(tokenizer)));

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
const kept = (change: Partial<Kept> = {}): Kept => ({
  since: 3,
  selected: [tax],
  dropped: [],
  need: undefined,
  context: at(above),
  limits,
  codeTokens: 512,
  revision: 1,
  ...change,
});
const recall = (context: CursorContext, codeTokens = 512) => documents.recall(context, limits, codeTokens);

describe("what was fetched", () => {
  it("is not there before the first completion, nor after it was forgotten", () => {
    expect(recall(at(above))).toBe("the first completion in this document");
    documents.remember(kept());
    expect(recall(at(above, below, { uri: "file:///w/b.py" }))).toBe("the first completion in this document");
    documents.forget(uri);
    expect(recall(at(above))).toBe("the first completion in this document");
  });

  it.each<[string, CursorContext]>([
    ["nothing", at(above)],
    ["typing", at(`${above}tot`)],
    ["deleting", at(above.slice(0, -5))],
    ["a bracket that the editor closes", at(`${above}print(`, `)${below}`)],
    ["typing over a closer", at(`${above}print()`, below.slice(1))],
    ["a suggestion taken", at(`${above}total = sum(value_1, value_2)\nprint(total)\n`)],
    ["an edit of the line below", at(above, below.replace("show(value_0)", "print(value_0)"))],
  ])("stays after %s", (_, now) => {
    documents.remember(kept());
    expect(recall(now)).toMatchObject({ since: 3, selected: [tax] });
  });

  it.each<[string, CursorContext, string]>([
    ["a jump up", at(above.slice(0, 400), above.slice(400) + below), "the cursor moved to another place"],
    ["a jump down", at(above + below.slice(0, 400), below.slice(400)), "the cursor moved to another place"],
    ["a long paste", at(above + above), "the cursor moved to another place"],
    ["an edit far above", at(above.replace("value_1 ", "valve_1 ")), "the document changed elsewhere"],
    ["an edit far below", at(above, below.replace("value_50", "valve_50")), "the document changed elsewhere"],
    [
      "lines put in far below",
      at(above, below.replace("show(value_50)", "show(value_50)\n".repeat(30))),
      "the document changed elsewhere",
    ],
    ["a rename", at(above, below, { path: "b.py" }), "the document changed elsewhere"],
  ])("goes after %s", (_, now, reason) => {
    documents.remember(kept());
    expect(recall(now)).toBe(reason);
  });

  it("follows the text that is typed on, however far in the end", () => {
    let prefix = above;
    documents.remember(kept());
    for (let n = 0; n < 20; n++) {
      prefix += `total_${n} = value_${n} * value_${n + 1}\n`;
      const found = recall(at(prefix));
      if (typeof found === "string") throw new Error(found);
      documents.remember({ ...found, context: at(prefix) });
    }
  });

  it("goes when the settings change", () => {
    documents.remember(kept());
    for (const change of [
      { maxFragments: 3 },
      { fragmentBudget: 100 },
      { pinnedFiles: ["a.py"] },
      { bannedFiles: ["tax.py"] },
    ])
      expect(documents.recall(at(above), { ...limits, ...change }, 512)).toBe("the settings changed");
    expect(recall(at(above), 300)).toBe("the settings changed");
  });

  it("goes as soon as the visible text says the same", () => {
    documents.remember(kept());
    const typed = `${above}def tax(price):\n    return price.`;
    expect(recall(at(typed))).toMatchObject({ since: 3 });
    expect(recall(at(`${typed}tax\n`))).toBe("tax.py:1-2 100 % of its lines stand around the cursor already");
    documents.remember(kept({ selected: [fragment("own", 0.5, { uri, path: "a.py", startLine: 62, endLine: 63 })] }));
    expect(recall(at(above))).toMatch(/^a\.py:62-63 overlaps lines \d+-\d+ of this file/);
  });

  it("is remembered of the documents worked on last", () => {
    const name = (n: number) => `file:///w/${n}.py`;
    for (let n = 0; n < 20; n++) {
      documents.remember(kept({ context: at(above, below, { uri: name(n) }) }));
      documents.remember(kept());
    }
    expect(recall(at(above))).toMatchObject({ since: 3 });
    expect(recall(at(above, below, { uri: name(19) }))).toMatchObject({ since: 3 });
    expect(recall(at(above, below, { uri: name(2) }))).toBe("the first completion in this document");
  });
});

describe("new fragments", () => {
  const rule = { similarity: 0.7, margin: 0.05 };
  const found = (...selected: readonly SelectedFragment[]): Retrieval => ({
    selected,
    dropped: [],
    found: selected.map(({ fragment: each, reference: { score, raised } }) => ({
      fragment: each,
      score,
      ...(raised !== undefined && { raised }),
    })),
    timings: { expressMs: 1, searchMs: 1, selectMs: 1 },
  });

  it("take over when nothing was kept", () => {
    expect(weigh(kept({ selected: [] }), found(tax), 1, rule)).toBe(
      "nothing was kept, and the model needs something now",
    );
    expect(weigh(kept({ selected: [] }), { ...found(), nothing: "the model needs nothing" }, 1, rule)).toMatchObject({
      selected: [],
      nothing: "the model needs nothing",
    });
  });

  it("take over when the best is better by the margin than the best kept one scores now", () => {
    expect(weigh(kept(), found(fragment("vat", 0.6), fragment("tax", 0.54)), 1, rule)).toBe(
      "another fragment scores 0.600, the best kept one 0.540",
    );
    expect(weigh(kept(), found(fragment("vat", 0.6), fragment("tax", 0.56)), 1, rule)).toMatchObject({
      selected: [{ reference: { path: "tax.py", score: 0.56 } }],
      dropped: [{ path: "vat.py", score: 0.6, reason: "not better by 0.05 than the best fragment kept" }],
    });
  });

  it("are compared with what raises them included", () => {
    const raise = (one: SelectedFragment, by: number): SelectedFragment => ({
      ...one,
      reference: { ...one.reference, raised: { by, reason: "imported here" } },
    });
    const vat = fragment("vat", 0.6);
    expect(
      weigh(
        kept(),
        {
          ...found(vat),
          found: [
            { fragment: vat.fragment, score: 0.6 },
            { fragment: tax.fragment, score: 0.4, raised: { by: 0.2, reason: "imported here" } },
          ],
        },
        1,
        rule,
      ),
    ).toMatchObject({
      selected: [{ reference: { path: "tax.py", score: 0.4, raised: { by: 0.2 } } }],
    });
    expect(weigh(kept(), found(raise(vat, 0.1), fragment("tax", 0.6)), 1, rule)).toBe(
      "another fragment scores 0.700, the best kept one 0.600, what raises them included",
    );
    expect(weigh(kept({ selected: [raise(tax, 0.3)] }), found(vat, fragment("tax", 0.56)), 1, rule)).toMatchObject({
      selected: [{ reference: { score: 0.56 } }],
    });
  });

  it("do not when the best is kept already, in whatever order", () => {
    const vat = fragment("vat", 0.4);
    const standing = weigh(kept({ selected: [tax, vat] }), found(fragment("vat", 0.9), fragment("fee", 0.8)), 1, rule);
    expect(standing).toMatchObject({
      selected: [{ reference: { path: "tax.py", score: 0.5 } }, { reference: { path: "vat.py", score: 0.9 } }],
      dropped: [{ path: "fee.py" }],
    });
  });

  it("take over when a kept one scores too little to be found", () => {
    expect(weigh(kept(), found(fragment("vat", 0.4), fragment("fee", 0.2)), 1, rule)).toBe(
      "another fragment scores 0.400, the best kept one 0.200",
    );
  });

  it("take over when the text of a kept one may have changed", () => {
    const edited = fragment("tax", 0.5, { text: "def tax(price):\n    return price.vat" });
    expect(weigh(kept(), found(edited), 2, rule)).toBe("tax.py:1-2 may have changed");
    expect(weigh(kept(), found(fragment("vat", 0.5)), 2, rule)).toBe("tax.py:1-2 may have changed");
  });

  it("give a kept one the lines that it has now", () => {
    const moved = fragment("tax", 0.5, { startLine: 11, endLine: 12 });
    expect(weigh(kept(), found(moved), 2, rule)).toMatchObject({
      selected: [{ tokens: tax.tokens, fragment: { startLine: 11 }, reference: { startLine: 11, endLine: 12 } }],
      dropped: [],
    });
  });
});
