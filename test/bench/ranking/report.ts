// The tables that the weights of ranking come from: each raise by itself, and all together, away from where they were chosen.
import { chance } from "../../eval/retrievers";
import { table } from "../inference/goals";
import { type Case, noWeights, rankOfNeeded, trials, type Weights } from "./cases";

/** Tried for each raise. */
const steps = [0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.2];
/** Fragments that the search gives the ranking. */
export const searched = 128;
/** Fragments that a prompt holds. */
const inPrompt = 4;
const resamples = 1000;

/** Repositories are divided by chance, and always in the same way. */
export function isHeldOut({ repository }: Case): boolean {
  return chance(`held out ${repository}`) < 0.5;
}

/** Mean reciprocal rank among the first ten. */
export function meanReciprocalRank(cases: readonly Case[], weights: Weights, depth = searched): number {
  return mean(cases.map((one) => reciprocal(rankOfNeeded(one, weights, depth))));
}

/** The weights of `names` with the highest mean reciprocal rank, found one after another, twice; the others are as in `from`. */
export function chosen(cases: readonly Case[], names: readonly (keyof Weights)[], from: Weights = noWeights): Weights {
  let best = from;
  for (const name of [...names, ...names]) {
    const scored = steps.map((step) => ({ weights: { ...best, [name]: step }, value: meanReciprocalRank(cases, { ...best, [name]: step }) }));
    // Of equals the smallest.
    best = scored.reduce((high, each) => (each.value > high.value + 1e-9 ? each : high)).weights;
  }
  return best;
}

export function report(name: string, cases: readonly Case[]): string {
  const dev = cases.filter((one) => !isHeldOut(one));
  const test = cases.filter(isHeldOut);
  const names = (["imported", "beside", "edited", "before"] as const).filter((each) => cases.some(({ candidates }) => candidates.some((candidate) => candidate[each] !== undefined)));
  const weightsOf = (weights: Weights) => names.map((each) => `${each} ${weights[each]}`).join(", ");
  const row = (label: string, weights: Weights, of: readonly Case[] = test, depth = searched): string[] => [
    label,
    meanReciprocalRank(dev, weights, depth).toFixed(3),
    meanReciprocalRank(of, weights, depth).toFixed(3),
    gain(of, (one) => reciprocal(rankOfNeeded(one, weights, depth)) - reciprocal(rankOfNeeded(one, noWeights, searched))),
    gain(of, (one) => within(rankOfNeeded(one, weights, depth)) - within(rankOfNeeded(one, noWeights, searched))),
  ];
  const together = chosen(dev, names);
  const rows = [row("score alone", noWeights)];
  for (const each of names) for (const step of steps.slice(1)) rows.push(row(`${each} ${step}`, { ...noWeights, [each]: step }));
  rows.push(row(`together: ${weightsOf(together)}`, together));
  for (const each of names) rows.push(row(`  without ${each}`, { ...together, [each]: 0 }));
  for (const depth of [32, 64, 512]) rows.push(row(`  ${depth} searched`, together, test, depth));
  for (const language of new Set(cases.map((one) => one.language))) rows.push(row(`  ${language} only`, together, test.filter((one) => one.language === language)));
  const header = ["", "MRR@10 where chosen", "elsewhere", "gain elsewhere (95 % over repositories)", `gain of Recall@${inPrompt}`];
  const repositories = (of: readonly Case[]) => new Set(of.map(({ repository }) => repository)).size;
  return `${name}: ${dev.length} cursors in ${repositories(dev)} repositories to choose by, ${test.length} in ${repositories(test)} elsewhere\n${table(header, rows)}${suggestions(cases)}`;
}

/** What the weights do to suggestions; nothing where none was made. */
function suggestions(cases: readonly Case[]): string {
  const made = cases.flatMap((one) => (one.similarities === undefined ? [] : [{ ...one, similarities: one.similarities }]));
  if (made.length === 0) return "";
  const rows = trials.map((weights, at) => {
    const given = Object.entries(weights).filter(([, by]) => by > 0).map(([name, by]) => `${name} ${by}`).join(", ");
    const of = (one: Case): number => one.similarities?.[at] ?? Number.NaN;
    return [given === "" ? "score alone" : given, mean(made.map(of)).toFixed(2), gain(made, (one) => of(one) - (one.similarities?.[0] ?? Number.NaN), 2), `${made.filter((one) => of(one) !== one.similarities[0]).length}`];
  });
  return `\n${table(["", "edit similarity", "gain (95 % over repositories)", "changed"], rows)}`;
}

function reciprocal(rank: number | undefined): number {
  return rank === undefined ? 0 : 1 / (rank + 1);
}

function within(rank: number | undefined): number {
  return rank !== undefined && rank < inPrompt ? 1 : 0;
}

/** A mean difference with its bootstrap interval: cases of one repository are drawn together. */
function gain(cases: readonly Case[], of: (one: Case) => number, digits = 3): string {
  const groups = new Map<string, { sum: number; count: number }>();
  for (const one of cases) {
    const group = groups.get(one.repository) ?? { sum: 0, count: 0 };
    groups.set(one.repository, { sum: group.sum + of(one), count: group.count + 1 });
  }
  const all = [...groups.values()];
  const drawn = Array.from({ length: resamples }, (_, sample) => {
    let sum = 0;
    let count = 0;
    for (let draw = 0; draw < all.length; draw++) {
      const group = all[Math.floor(chance(`${sample} ${draw}`) * all.length)];
      sum += group?.sum ?? 0;
      count += group?.count ?? 0;
    }
    return sum / count;
  }).sort((a, b) => a - b);
  const at = (share: number) => signed(drawn[Math.round(share * (drawn.length - 1))] ?? Number.NaN, digits);
  return `${signed(mean(cases.map(of)), digits)} (${at(0.025)} to ${at(0.975)})`;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function signed(value: number, digits: number): string {
  return `${value < 0 ? "" : "+"}${value.toFixed(digits)}`;
}
