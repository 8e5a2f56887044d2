// Compares results with those of another run on the same tasks.

import { readFileSync } from "node:fs";
import * as v from "valibot";
import { errorMessage } from "../../sidecar/host/errors";
import { InputError } from "./input";
import type { Result } from "./results";
import { byLanguage, type Figure, interval, type Origin, type Unit } from "./summary";

const predictionSchema = v.looseObject({
  id: v.string(),
  /** The prediction cut to one statement. */
  prediction: v.string(),
  em: v.number(),
  es: v.number(),
});
type Prediction = v.InferOutput<typeof predictionSchema>;
const runSchema = v.looseObject({ results: v.array(predictionSchema) });

interface Pair extends Origin {
  readonly here: Result;
  readonly there: Prediction;
}

/** The tasks of one language, or of all, that both runs have done. Differences are this run minus the other. */
export interface ComparedTasks {
  readonly tasks: number;
  /** Number of predictions with equal statements. */
  readonly identical: number;
  readonly here: { readonly em: number; readonly es: number };
  readonly there: { readonly em: number; readonly es: number };
  readonly difference: { readonly em: Figure; readonly es: Figure };
}

/** Comparisons by language, and `all` when there are several. */
export type Comparison = Readonly<Record<string, ComparedTasks>>;

/**
 * Compares by task id.
 * @param path a file that `--json` wrote
 * @throws InputError for a file without results of these tasks
 */
export function compare(results: readonly Result[], path: string, unit: Unit): Comparison {
  const rows = readRun(path);
  const there = new Map(rows.map((row) => [row.id, row]));
  const pairs = results.flatMap((here): Pair[] => {
    const other = there.get(here.id);
    const { language, repository, file } = here;
    return other === undefined ? [] : [{ language, repository, file, here, there: other }];
  });
  if (pairs.length === 0)
    throw new InputError(
      `${path}: expected results of these tasks, found ${rows.length} of other tasks. Give the file of a run over the same tasks.`,
    );
  const groups = byLanguage(pairs);
  if (groups.size > 1) groups.set("all", pairs);
  return Object.fromEntries([...groups].map(([name, group]) => [name, compareTasks(group, unit)]));
}

function compareTasks(pairs: readonly Pair[], unit: Unit): ComparedTasks {
  const mean = (value: (pair: Pair) => number) => pairs.reduce((sum, pair) => sum + value(pair), 0) / pairs.length;
  return {
    tasks: pairs.length,
    identical: pairs.filter((pair) => pair.here.statement === pair.there.prediction.trim()).length,
    here: { em: mean((pair) => pair.here.em), es: mean((pair) => pair.here.es) },
    there: { em: mean((pair) => pair.there.em), es: mean((pair) => pair.there.es) },
    difference: {
      em: interval(pairs, unit, (pair) => pair.here.em - pair.there.em),
      es: interval(pairs, unit, (pair) => pair.here.es - pair.there.es),
    },
  };
}

function readRun(path: string): Prediction[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new InputError(
      `${path}: expected the results of a run, found no such file (${errorMessage(error)}). Check the name.`,
    );
  }
  try {
    return v.parse(runSchema, JSON.parse(text)).results;
  } catch (error) {
    throw new InputError(
      `${path}: expected what --json writes, {results: [{id, prediction, em, es}]}, found something else (${errorMessage(error)}).`,
    );
  }
}
