// Sets results beside another run's, or beside another harness's predictions, for the same tasks.
import { readFileSync } from "node:fs";
import { extname } from "node:path";
import * as v from "valibot";
import { InputError } from "./input";
import type { Result } from "./results";
import { byLanguage, type Figure, interval, type Origin, type Unit } from "./summary";

const predictionSchema = v.looseObject({
  id: v.string(),
  retriever: v.optional(v.string()),
  /** Cut to one statement. */
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

/** The tasks of one language, or all, that both have done. Differences are here minus there. */
export interface ComparedTasks {
  readonly tasks: number;
  /** Predictions whose statements are equal. */
  readonly identical: number;
  readonly here: { readonly em: number; readonly es: number };
  readonly there: { readonly em: number; readonly es: number };
  readonly difference: { readonly em: Figure; readonly es: Figure };
}

/** By language, and `all` where there is more than one. */
export type Comparison = Readonly<Record<string, ComparedTasks>>;

/**
 * Compares by task id. Where a .jsonl file holds several retrievers, the rows of `retriever` count.
 * @throws InputError for a file that holds no predictions of these tasks
 */
export function compare(results: readonly Result[], path: string, retriever: string, unit: Unit): Comparison {
  const rows = extname(path) === ".jsonl" ? readPredictions(path, retriever) : readRun(path);
  const there = new Map(rows.map((row) => [row.id, row]));
  const pairs = results.flatMap((here): Pair[] => {
    const other = there.get(here.id);
    const { language, repository, file } = here;
    return other === undefined ? [] : [{ language, repository, file, here, there: other }];
  });
  if (pairs.length === 0)
    throw new InputError(
      `${path}: expected predictions of these tasks by ${retriever}, found ${rows.length} rows of other tasks. Give the file made from the same tasks.`,
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

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new InputError(
      `${path}: expected the results of a run, found no such file (${error instanceof Error ? error.message : String(error)}). Check the name.`,
    );
  }
}

/** What `--json` wrote. */
function readRun(path: string): Prediction[] {
  const text = readText(path);
  try {
    return v.parse(runSchema, JSON.parse(text)).results;
  } catch (error) {
    throw new InputError(
      `${path}: expected what --json writes, {results: [{id, prediction, em, es}]}, found something else (${error instanceof Error ? error.message : String(error)}). A file of JSON lines is to be named .jsonl.`,
    );
  }
}

function readPredictions(path: string, retriever: string): Prediction[] {
  const rows = readText(path)
    .split("\n")
    .flatMap((line, at) => {
      if (line.trim() === "") return [];
      try {
        return [v.parse(predictionSchema, JSON.parse(line))];
      } catch (error) {
        throw new InputError(
          `${path}, line ${at + 1}: expected {id, prediction, em, es}, found something else (${error instanceof Error ? error.message : String(error)}).`,
        );
      }
    });
  const names = new Set(rows.map((row) => row.retriever));
  return rows.filter((row) => names.size <= 1 || row.retriever === retriever);
}
