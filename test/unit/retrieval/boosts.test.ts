// In which order fragments are considered: by score, boosted for what was pinned, imported or edited.
import { describe, expect, it } from "vitest";
import { boostPinned, boostWeights, defaultBoosts, rankFragments, rankOf } from "../../../sidecar/retrieval/boosts";
import { reuseRule } from "../../../sidecar/retrieval/fragment-reuse";
import { FileRules } from "../../../sidecar/retrieval/pinned-files";
import type { CursorContext, RetrievalLimits } from "../../../sidecar/retrieval/types";
import type { ScoredFragment } from "../../../sidecar/workspace/fragment";

const context: CursorContext = {
  uri: "file:///w/shop/cart.py",
  path: "shop/cart.py",
  languageId: "python",
  prefix: "from shop.money import Money\nimport lib.tax\n",
  suffix: "",
};
const weights = { imported: 0.1, edited: 0.05 };
const found = (path: string, score: number): ScoredFragment => ({
  fragment: { uri: `file:///w/${path}`, path, startLine: 1, endLine: 2, text: path },
  score,
});

function order(
  all: readonly ScoredFragment[],
  {
    rules = {},
    edited = [],
    by = weights,
  }: {
    rules?: Pick<RetrievalLimits, "pinnedFiles" | "bannedFiles">;
    edited?: readonly string[];
    by?: typeof weights;
  } = {},
) {
  const boostOf = defaultBoosts((uri) => edited.includes(uri.slice("file:///w/".length)), by)(context);
  return rankFragments(all, boostPinned(new FileRules(rules), boostOf)).map(
    ({ fragment, score, boost }) =>
      `${fragment.path} ${score}${boost === undefined ? "" : ` + ${boost.by.toFixed(2)} ${boost.reason}`}`,
  );
}

describe("a ranking", () => {
  it("is by score without boosts, equals in the order found", () => {
    expect(order([found("b.py", 0.3), found("a.py", 0.5), found("c.py", 0.3)])).toEqual([
      "a.py 0.5",
      "b.py 0.3",
      "c.py 0.3",
    ]);
  });

  it("adds the boosts of imported and edited files", () => {
    const all = [
      found("a.py", 0.5),
      found("lib/tax.py", 0.41),
      found("shop/money.py", 0.4),
      found("b.py", 0.46),
      found("c.py", 0.4),
    ];
    expect(order(all, { edited: ["b.py", "shop/money.py"] })).toEqual([
      "shop/money.py 0.4 + 0.15 imported here, edited lately",
      "lib/tax.py 0.41 + 0.10 imported here",
      "b.py 0.46 + 0.05 edited lately",
      "a.py 0.5",
      "c.py 0.4",
    ]);
  });

  it("has no boost of weight 0 and none for the open file", () => {
    expect(
      order([found("shop/money.py", 0.4), found("b.py", 0.3)], { edited: ["b.py"], by: { imported: 0, edited: 0 } }),
    ).toEqual(["shop/money.py 0.4", "b.py 0.3"]);
    expect(order([found(context.path, 0.3)], { edited: [context.path] })).toEqual(["shop/cart.py 0.3"]);
  });

  it("has pinned files first, except banned ones", () => {
    const all = [found("a.py", 0.9), found("old/b.py", -0.2), found("old/c.py", 0.1), found("old/d.py", 0.8)];
    expect(
      order(all, { rules: { pinnedFiles: ["old/"], bannedFiles: ["d.py"] }, edited: ["a.py", "old/b.py"] }),
    ).toEqual([
      "old/c.py 0.1 + 2.00 pinned by selfracg.pinnedFiles: old/",
      "old/b.py -0.2 + 2.00 pinned by selfracg.pinnedFiles: old/",
      "a.py 0.9 + 0.05 edited lately",
      "old/d.py 0.8",
    ]);
  });

  it("is by the sum of score and boost", () => {
    expect(rankOf({ score: 0.25 })).toBe(0.25);
    expect(rankOf({ score: 0.25, boost: { by: 0.5, reason: "" } })).toBe(0.75);
  });

  it("changes less by an edit than the margin for replacing fragments", () => {
    expect(boostWeights.edited).toBeLessThan(reuseRule.margin);
  });
});
