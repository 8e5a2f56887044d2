// From results of single tasks to figures with intervals, and to the lines that show them.

import type { Result } from "./results";
import { chance } from "./retrievers";

/** A mean with its 95 % interval; all null where there was nothing to measure. */
export interface Figure {
  readonly value: number | null;
  readonly low: number | null;
  readonly high: number | null;
}

export const figureNames = ["em", "es", "idF1", "mrr10", "recall1", "recall5", "recall10"] as const;
export type FigureName = (typeof figureNames)[number];
export type Figures = Readonly<Record<FigureName, Figure>>;

const resamples = 2000;

/** `em`, `idF1` and the retrieval figures from 0 to 1, `es` from 0 to 100. Retrieval counts only tasks that need something. */
export function summarise(results: readonly Result[]): Figures {
  const needing = results.filter(({ needs }) => needs);
  const within = (k: number) => interval(needing, ({ rank }) => (rank !== null && rank < k ? 1 : 0));
  return {
    em: interval(results, ({ em }) => em),
    es: interval(results, ({ es }) => es),
    idF1: interval(results, ({ idF1 }) => idF1),
    mrr10: interval(needing, ({ rank }) => (rank === null ? 0 : 1 / (rank + 1))),
    recall1: within(1),
    recall5: within(5),
    recall10: within(10),
  };
}

/** The mean of `value`, and a bootstrap interval over repositories: tasks of one are alike, so they are drawn together. */
export function interval(results: readonly Result[], value: (result: Result) => number): Figure {
  if (results.length === 0) return { value: null, low: null, high: null };
  const groups = new Map<string, { sum: number; count: number }>();
  for (const result of results) {
    const group = groups.get(result.repository) ?? { sum: 0, count: 0 };
    groups.set(result.repository, { sum: group.sum + value(result), count: group.count + 1 });
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
    value: results.reduce((sum, result) => sum + value(result), 0) / results.length,
    low: at(0.025),
    high: at(0.975),
  };
}

/** The figures as lines for people. */
export function figureLines(figures: Figures): string[] {
  const labels: Record<FigureName, string> = {
    em: "exact match",
    es: "edit similarity",
    idF1: "identifier F1",
    mrr10: "MRR@10",
    recall1: "Recall@1",
    recall5: "Recall@5",
    recall10: "Recall@10",
  };
  return figureNames.map((name) => {
    const { value, low, high } = figures[name];
    const show = (number: number | null) => (number === null ? "-" : number.toFixed(name === "es" ? 2 : 3));
    return `  ${labels[name].padEnd(16)} ${show(value).padStart(7)}   ${show(low)} to ${show(high)}`;
  });
}
