// In which order fragments are considered: by score, raised for what was pinned or edited.
import { describe, expect, it } from "vitest";
import { ChosenFiles } from "../../../sidecar/retrieval/chosen-files";
import { keepingRule } from "../../../sidecar/retrieval/kept";
import { editedLately, ranked, raisingEdited, raisingNothing, raisingPinned, rankOf } from "../../../sidecar/retrieval/ranking";
import type { CursorContext, RetrievalLimits } from "../../../sidecar/retrieval/retrieval";
import type { ScoredFragment } from "../../../sidecar/workspace/fragment";

const context: CursorContext = { uri: "file:///w/shop/cart.py", path: "shop/cart.py", languageId: "python", prefix: "", suffix: "" };
const found = (path: string, score: number): ScoredFragment => ({ fragment: { uri: `file:///w/${path}`, path, startLine: 1, endLine: 2, text: path }, score });

function order(all: readonly ScoredFragment[], { chosen = {}, edited }: { chosen?: Pick<RetrievalLimits, "pinnedFiles" | "bannedFiles">; edited?: readonly string[] } = {}) {
  const rule = edited === undefined ? raisingNothing : raisingEdited((uri) => edited.includes(uri.slice("file:///w/".length)), 0.05);
  return ranked(all, raisingPinned(new ChosenFiles(chosen), rule(context))).map(({ fragment, score, raised }) => `${fragment.path} ${score}${raised === undefined ? "" : ` + ${raised.by} ${raised.reason}`}`);
}

describe("a ranking", () => {
  it("is by score where nothing is raised, equals as they were found", () => {
    expect(order([found("b.py", 0.3), found("a.py", 0.5), found("c.py", 0.3)])).toEqual(["a.py 0.5", "b.py 0.3", "c.py 0.3"]);
  });

  it("raises what was edited, but for the open file", () => {
    const all = [found("a.py", 0.5), found("b.py", 0.46), found("c.py", 0.44), found(context.path, 0.48)];
    expect(order(all, { edited: ["b.py", "c.py", context.path] })).toEqual(["b.py 0.46 + 0.05 edited lately", "a.py 0.5", "c.py 0.44 + 0.05 edited lately", "shop/cart.py 0.48"]);
  });

  it("has what is pinned before everything, the best of it first, but for what is banned", () => {
    const all = [found("a.py", 0.9), found("old/b.py", -0.2), found("old/c.py", 0.1), found("old/d.py", 0.8)];
    expect(order(all, { chosen: { pinnedFiles: ["old/"], bannedFiles: ["d.py"] }, edited: ["a.py", "old/b.py"] })).toEqual([
      "old/c.py 0.1 + 2 pinned by selfracg.pinnedFiles: old/",
      "old/b.py -0.2 + 2 pinned by selfracg.pinnedFiles: old/",
      "a.py 0.9 + 0.05 edited lately",
      "old/d.py 0.8",
    ]);
  });

  it("goes by score and raise together", () => {
    expect(rankOf({ score: 0.25 })).toBe(0.25);
    expect(rankOf({ score: 0.25, raised: { by: 0.5, reason: "" } })).toBe(0.75);
  });

  it("is changed by an edit too little for the prompt's fragments to be exchanged for it alone", () => {
    expect(editedLately).toBeLessThan(keepingRule.margin);
  });
});
