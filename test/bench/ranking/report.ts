// The tables for the weights of the boosts: each boost alone and all together, on held-out repositories.
import { chance } from "../../eval/retrievers";
import { table } from "../goals";
import { type Case, noWeights, rankOfNeeded, steps, trials, type Weights } from "./cases";

/** Number of fragments that the search returns. */
export const searched = 32;
/** Number of fragments in a prompt. */
const inPrompt = 4;
const resamples = 1000;

/** A fixed random half of the repositories of each language, on which no weights are chosen. */
export function heldOut(cases: readonly Case[]): ReadonlySet<string> {
  const languages = new Map<string, Set<string>>();
  for (const { language, repository } of cases)
    languages.set(language, (languages.get(language) ?? new Set()).add(repository));
  const order = (names: ReadonlySet<string>) =>
    [...names].sort((a, b) => chance(`held out ${a}`) - chance(`held out ${b}`));
  return new Set([...languages.values()].flatMap((names) => order(names).filter((_, at) => at % 2 === 1)));
}

/** Mean reciprocal rank among the first ten. */
export function meanReciprocalRank(cases: readonly Case[], weights: Weights, depth = searched): number {
  return mean(cases.map((one) => reciprocal(rankOfNeeded(one, weights, depth))));
}

/** The weights of `names` with the highest mean reciprocal rank, by two rounds of coordinate search; the others are as in `from`. */
export function chosen(cases: readonly Case[], names: readonly (keyof Weights)[], from: Weights = noWeights): Weights {
  let best = from;
  for (const name of [...names, ...names]) {
    const scored = [0, ...steps].map((step) => ({
      weights: { ...best, [name]: step },
      value: meanReciprocalRank(cases, { ...best, [name]: step }),
    }));
    // The smallest of equally good ones.
    best = scored.reduce((high, each) => (each.value > high.value + 1e-9 ? each : high)).weights;
  }
  return best;
}

export function report(name: string, cases: readonly Case[]): string {
  const away = heldOut(cases);
  const dev = cases.filter(({ repository }) => !away.has(repository));
  const test = cases.filter(({ repository }) => away.has(repository));
  const names = (["imported", "beside", "edited", "before"] as const).filter((each) =>
    cases.some(({ candidates }) => candidates.some((candidate) => candidate[each] !== undefined)),
  );
  const weightsOf = (weights: Weights) =>
    names.flatMap((each) => (weights[each] === 0 ? [] : [`${each} ${weights[each]}`])).join(", ") || "score alone";
  const row = (label: string, weights: Weights, of: readonly Case[] = test, depth = searched): string[] => {
    const more = (one: Case): number =>
      reciprocal(rankOfNeeded(one, weights, depth)) - reciprocal(rankOfNeeded(one, noWeights, searched));
    return [
      label,
      meanReciprocalRank(dev, weights, depth).toFixed(3),
      gain(dev, more),
      meanReciprocalRank(of, weights, depth).toFixed(3),
      gain(of, more),
      gain(of, (one) => within(rankOfNeeded(one, weights, depth)) - within(rankOfNeeded(one, noWeights, searched))),
    ];
  };
  const together = chosen(dev, names);
  const rows = [row("score alone", noWeights)];
  for (const each of names) for (const step of steps) rows.push(row(`${each} ${step}`, { ...noWeights, [each]: step }));
  rows.push(row(`together: ${weightsOf(together)}`, together));
  for (const each of names) if (together[each] > 0) rows.push(row(`  without ${each}`, { ...together, [each]: 0 }));
  for (const depth of [64, 128, 512]) rows.push(row(`  ${depth} searched`, together, test, depth));
  for (const language of new Set(cases.map((one) => one.language)))
    rows.push(
      row(
        `  ${language} only`,
        together,
        test.filter((one) => one.language === language),
      ),
    );
  const header = [
    "",
    "MRR@10 where chosen",
    "gain there (95 % over repositories)",
    "elsewhere",
    "gain elsewhere",
    `gain of Recall@${inPrompt} elsewhere`,
  ];
  const repositories = (of: readonly Case[]) => new Set(of.map(({ repository }) => repository)).size;
  const suggestions = trials.flatMap((weights, at) => {
    // Without edited files, trials that differ only in their boost are equal.
    if (Object.entries(weights).some(([each, by]) => by > 0 && !names.some((known) => known === each))) return [];
    const of = (one: Case): number => one.similarities[at] ?? Number.NaN;
    const more = (one: Case): number => of(one) - (one.similarities[0] ?? Number.NaN);
    return [
      [
        weightsOf(weights),
        mean(dev.map(of)).toFixed(2),
        gain(dev, more, 2),
        mean(test.map(of)).toFixed(2),
        gain(test, more, 2),
        gain(cases, more, 2),
        `${cases.filter((one) => more(one) !== 0).length}`,
      ],
    ];
  });
  const suggestionHeader = [
    "",
    "edit similarity where chosen",
    "gain there",
    "elsewhere",
    "gain elsewhere",
    "gain in all",
    "changed in all",
  ];
  return `${name}: ${dev.length} cursors in ${repositories(dev)} repositories to choose by, ${test.length} in ${repositories(test)} elsewhere\n${table(header, rows)}\n${table(suggestionHeader, suggestions)}`;
}

function reciprocal(rank: number | undefined): number {
  return rank === undefined ? 0 : 1 / (rank + 1);
}

function within(rank: number | undefined): number {
  return rank !== undefined && rank < inPrompt ? 1 : 0;
}

/** A mean difference with its bootstrap interval, which resamples whole repositories. */
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
