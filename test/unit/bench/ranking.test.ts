// Which weights a ranking is given by measuring: the ranks that raises lead to, and the weights that lead to the best.
import { describe, expect, it } from "vitest";
import { type Candidate, type Case, noWeights, rankOfNeeded } from "../../bench/ranking/cases";
import { chosen, isHeldOut, meanReciprocalRank, report } from "../../bench/ranking/report";

const one = (repository: string, ...candidates: readonly Candidate[]): Case => ({ repository, language: "python", nullScore: 0, candidates });
const far = { score: 0.4 };

describe("the rank of what is needed", () => {
  it("is that of the best needed fragment, with all that raises it", () => {
    const of = one("a", { score: 0.5 }, { score: 0.48, beside: true }, { score: 0.45, needed: true, imported: true, edited: 0 }, { ...far, needed: true });
    expect(rankOfNeeded(of, noWeights, 64)).toBe(2);
    expect(rankOfNeeded(of, { ...noWeights, imported: 0.04 }, 64)).toBe(1);
    expect(rankOfNeeded(of, { ...noWeights, imported: 0.04, edited: 0.04 }, 64)).toBe(0);
    expect(rankOfNeeded(of, { ...noWeights, imported: 0.04, edited: 0.04, beside: 0.2 }, 64)).toBe(1);
  });

  it("is none beyond the tenth, nor for what is not searched or was edited long ago", () => {
    const others = Array.from({ length: 10 }, () => ({ score: 0.5 }));
    const of = one("a", ...others, { ...far, needed: true, edited: 8, before: 2 });
    expect(rankOfNeeded(of, noWeights, 64)).toBeUndefined();
    expect(rankOfNeeded(of, { ...noWeights, edited: 1 }, 64)).toBeUndefined();
    expect(rankOfNeeded(of, { ...noWeights, before: 1 }, 64)).toBe(0);
    expect(rankOfNeeded(of, { ...noWeights, before: 1 }, 10)).toBeUndefined();
  });
});

describe("the weights chosen", () => {
  const raised = Array.from({ length: 8 }, (_, at) => one(`r${at}`, { score: 0.5 }, { score: 0.45, needed: true, imported: true }, { score: 0.44, beside: true }));

  it("are the smallest with the highest figure, and 0 for what does not help", () => {
    expect(chosen(raised, ["imported", "beside"])).toEqual({ ...noWeights, imported: 0.06 });
    expect(meanReciprocalRank(raised, noWeights)).toBe(0.5);
    expect(meanReciprocalRank(raised, { ...noWeights, imported: 0.06 })).toBe(1);
  });

  it("are reported for repositories that they were not chosen by", () => {
    const text = report("tasks", raised);
    const away = raised.filter(isHeldOut).length;
    expect(away).toBeGreaterThan(0);
    expect(text).toContain(`${8 - away} cursors in ${8 - away} repositories to choose by, ${away} in ${away} elsewhere`);
    expect(text).toMatch(/together: imported 0\.06, beside 0 +1\.000 +1\.000 +\+0\.500 \(\+0\.500 to \+0\.500\)/);
    expect(text).not.toContain("edited");
  });
});
