// Choosing boost weights by measuring ranks.
import { describe, expect, it } from "vitest";
import { type Candidate, type Case, noWeights, rankOfNeeded, trials } from "../../bench/ranking/cases";
import { chosen, heldOut, meanReciprocalRank, report } from "../../bench/ranking/report";

const one = (repository: string, ...candidates: readonly Candidate[]): Case => ({
  repository,
  language: "python",
  file: "a.py",
  candidates,
  similarities: trials.map(({ imported }) => (imported > 0.03 ? 60 : 50)),
});
const far = { score: 0.4 };

describe("the rank of the needed fragment", () => {
  it("is that of the best needed fragment after all boosts", () => {
    const of = one(
      "a",
      { score: 0.5 },
      { score: 0.48 },
      { score: 0.45, needed: true, imported: true, edited: 0 },
      { ...far, needed: true },
    );
    expect(rankOfNeeded(of, noWeights)).toBe(2);
    expect(rankOfNeeded(of, { imported: 0.04, edited: 0 })).toBe(1);
    expect(rankOfNeeded(of, { imported: 0.04, edited: 0.04 })).toBe(0);
  });

  it("is undefined beyond the tenth, and is not changed by old edits", () => {
    const others = Array.from({ length: 10 }, () => ({ score: 0.5 }));
    const of = one("a", ...others, { ...far, needed: true, imported: true, edited: 8 });
    expect(rankOfNeeded(of, noWeights)).toBeUndefined();
    expect(rankOfNeeded(of, { imported: 0, edited: 1 })).toBeUndefined();
    expect(rankOfNeeded(of, { imported: 1, edited: 0 })).toBe(0);
  });
});

describe("the weights chosen", () => {
  const cases = Array.from({ length: 8 }, (_, at) =>
    one(`r${at}`, { score: 0.5 }, { score: 0.44, needed: true, imported: true }, { score: 0.43, edited: 1 }),
  );

  it("are the smallest ones with the best rank, and 0 for a boost that does not help", () => {
    expect(chosen(cases)).toEqual({ imported: 0.1, edited: 0 });
    expect(meanReciprocalRank(cases, noWeights)).toBe(0.5);
    expect(meanReciprocalRank(cases, { imported: 0.1, edited: 0 })).toBe(1);
  });

  it("are reported on held-out repositories, with the suggestions they lead to", () => {
    const text = report(
      "tasks",
      cases.map((each) => ({ ...each, candidates: each.candidates.slice(0, 2) })),
    );
    expect(text).toContain("4 cursors in 4 repositories to choose by, 4 in 4 elsewhere");
    expect(text).toMatch(/together: imported 0\.1 +1\.000 +\+0\.500 \(\+0\.500 to \+0\.500\) +1\.000 +\+0\.500/);
    expect(text).toMatch(/\nimported 0\.03 +50\.00 +\+0\.00 .*0\n/);
    expect(text).toMatch(/\nimported 0\.05 +60\.00 +\+10\.00 .*8\n/);
    expect(text).not.toContain("edited");
  });

  it("are chosen on half of the repositories of each language", () => {
    const others = cases.map((each, at) => ({ ...each, language: at < 4 ? "java" : "python" }));
    const away = heldOut(others);
    expect([
      away.size,
      others.filter(({ language, repository }) => language === "java" && away.has(repository)).length,
    ]).toEqual([4, 2]);
  });
});
