// The tables for the weights of the boosts: each boost alone and both together, on held-out repositories.
import { chance } from "../../eval/retrievers";
import { interval } from "../../eval/summary";
import { table } from "../goals";
import { type Case, noWeights, rankOfNeeded, steps, trials, type Weights } from "./cases";

/** Number of fragments in a prompt. */
const inPrompt = 4;

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
export function meanReciprocalRank(cases: readonly Case[], weights: Weights): number {
  return mean(cases.map((one) => reciprocal(rankOfNeeded(one, weights))));
}

/** The weights among {@link trials} with the highest mean reciprocal rank, the smallest ones of equally good ones. */
export function chosen(cases: readonly Case[]): Weights {
  return trials
    .map((weights) => ({ weights, value: meanReciprocalRank(cases, weights) }))
    .reduce((high, each) => (each.value > high.value + 1e-9 ? each : high)).weights;
}

export function report(name: string, cases: readonly Case[]): string {
  const away = heldOut(cases);
  const dev = cases.filter(({ repository }) => !away.has(repository));
  const test = cases.filter(({ repository }) => away.has(repository));
  const names = (["imported", "edited"] as const).filter((each) =>
    cases.some(({ candidates }) => candidates.some((candidate) => candidate[each] !== undefined)),
  );
  const weightsOf = (weights: Weights) =>
    names.flatMap((each) => (weights[each] === 0 ? [] : [`${each} ${weights[each]}`])).join(", ") || "score alone";
  const rankRow = (label: string, weights: Weights): string[] => {
    const gained = (value: (rank: number | undefined) => number) => (one: Case) =>
      value(rankOfNeeded(one, weights)) - value(rankOfNeeded(one, noWeights));
    return [
      label,
      meanReciprocalRank(dev, weights).toFixed(3),
      gain(dev, gained(reciprocal)),
      meanReciprocalRank(test, weights).toFixed(3),
      gain(test, gained(reciprocal)),
      gain(test, gained(within)),
    ];
  };
  const best = chosen(dev);
  const ranks = [
    rankRow("score alone", noWeights),
    ...names.flatMap((each) => steps.map((step) => rankRow(`${each} ${step}`, { ...noWeights, [each]: step }))),
    rankRow(`together: ${weightsOf(best)}`, best),
  ];
  const suggestions = trials.flatMap((weights, at) => {
    // Without edited files, trials that differ only in their boost are equal.
    if (Object.entries(weights).some(([each, by]) => by > 0 && !names.some((known) => known === each))) return [];
    const of = (one: Case): number => one.similarities[at] ?? Number.NaN;
    const more = (one: Case): number => of(one) - (one.similarities[0] ?? Number.NaN);
    const means = [dev, test].flatMap((some) => [mean(some.map(of)).toFixed(2), gain(some, more, 2)]);
    return [[weightsOf(weights), ...means, gain(cases, more, 2), `${cases.filter((one) => more(one) !== 0).length}`]];
  });
  const sides = (what: string) => [
    "",
    `${what} where chosen`,
    "gain there (95 % over repositories)",
    "elsewhere",
    "gain elsewhere",
  ];
  const repositories = (of: readonly Case[]) => new Set(of.map(({ repository }) => repository)).size;
  return [
    `${name}: ${dev.length} cursors in ${repositories(dev)} repositories to choose by, ${test.length} in ${repositories(test)} elsewhere`,
    table([...sides("MRR@10"), `gain of Recall@${inPrompt} elsewhere`], ranks),
    table([...sides("edit similarity"), "gain in all", "changed in all"], suggestions),
  ].join("\n");
}

function reciprocal(rank: number | undefined): number {
  return rank === undefined ? 0 : 1 / (rank + 1);
}

function within(rank: number | undefined): number {
  return rank !== undefined && rank < inPrompt ? 1 : 0;
}

/** A mean difference with its 95 % interval over repositories. */
function gain(cases: readonly Case[], of: (one: Case) => number, digits = 3): string {
  const { value, low, high } = interval(cases, "repository", of);
  const [middle, from, to] = [value, low, high].map((each) => signed(each ?? Number.NaN, digits));
  return `${middle} (${from} to ${to})`;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function signed(value: number, digits: number): string {
  return `${value < 0 ? "" : "+"}${value.toFixed(digits)}`;
}
