// Computes figures with intervals from the results of tasks.

import type { Result } from "./results";
import { chance } from "./retrievers";

/** A mean with its 95 % interval; null when there was nothing to measure. */
export interface Figure {
  readonly value: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

export const figureNames = ["em", "es", "idF1", "mrr10", "recall1", "recall5", "recall10"] as const;
export type FigureName = (typeof figureNames)[number];
export type Figures = Readonly<Record<FigureName, Figure>>;

/** The unit that the bootstrap resamples, because tasks of one unit are similar. */
export type Unit = "repository" | "file";

/** The origin of a task. */
export interface Origin {
  readonly language: string;
  readonly repository: string;
  readonly file: string;
}

const resamples = 2000;
/** Minimum number of repositories for an interval over repositories. */
const minRepositories = 10;

/** Repositories, or files when a language has too few repositories. */
export function unitFor(tasks: readonly Origin[]): Unit {
  const few = [...byLanguage(tasks).values()].some((group) => countUnits(group, "repository") < minRepositories);
  return few ? "file" : "repository";
}

/** Groups in alphabetical order of the languages. */
export function byLanguage<Item extends Origin>(items: readonly Item[]): Map<string, Item[]> {
  const languages = [...new Set(items.map(({ language }) => language))].sort();
  return new Map(languages.map((language) => [language, items.filter((item) => item.language === language)]));
}

export function countUnits(items: readonly Origin[], unit: Unit): number {
  return new Set(items.map((item) => unitName(item, unit))).size;
}

function unitName({ repository, file }: Origin, unit: Unit): string {
  return unit === "repository" ? repository : `${repository}\0${file}`;
}

/** `em`, `idF1` and the retrieval figures from 0 to 1, `es` from 0 to 100. Retrieval counts only tasks that need a fragment. */
export function summarise(results: readonly Result[], unit: Unit): Figures {
  const needing = results.filter(({ needs }) => needs);
  const within = (k: number) => interval(needing, unit, ({ rank }) => (rank !== null && rank < k ? 1 : 0));
  return {
    em: interval(results, unit, ({ em }) => em),
    es: interval(results, unit, ({ es }) => es),
    idF1: interval(results, unit, ({ idF1 }) => idF1),
    mrr10: interval(needing, unit, ({ rank }) => (rank === null ? 0 : 1 / (rank + 1))),
    recall1: within(1),
    recall5: within(5),
    recall10: within(10),
  };
}

/** The mean of `value` with a percentile bootstrap interval over units. */
export function interval<Item extends Origin>(
  items: readonly Item[],
  unit: Unit,
  value: (item: Item) => number,
): Figure {
  if (items.length === 0) return { value: null, low: null, high: null };
  const groups = new Map<string, { sum: number; count: number }>();
  for (const item of items) {
    const name = unitName(item, unit);
    const group = groups.get(name) ?? { sum: 0, count: 0 };
    groups.set(name, { sum: group.sum + value(item), count: group.count + 1 });
  }
  const drawn: number[] = [];
  const all = [...groups.values()];
  for (let sample = 0; sample < resamples; sample++) {
    let sum = 0;
    let count = 0;
    for (let draw = 0; draw < all.length; draw++) {
      const group = all[Math.floor(chance(`${sample} ${draw}`) * all.length)];
      sum += group?.sum ?? 0;
      count += group?.count ?? 0;
    }
    drawn.push(sum / count);
  }
  drawn.sort((a, b) => a - b);
  const at = (share: number) => drawn[Math.round(share * (drawn.length - 1))] ?? null;
  return {
    value: items.reduce((sum, item) => sum + value(item), 0) / items.length,
    low: at(0.025),
    high: at(0.975),
  };
}
