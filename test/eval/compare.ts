// Sets results beside the predictions of another harness for the same tasks, each cut to one statement there.
import { readFileSync } from "node:fs";
import * as v from "valibot";
import { InputError } from "./input";
import type { Result } from "./results";

const predictionSchema = v.looseObject({
  id: v.string(),
  retriever: v.optional(v.string()),
  prediction: v.string(),
  em: v.number(),
  es: v.number(),
});
type Prediction = v.InferOutput<typeof predictionSchema>;

/** What both harnesses say of the tasks that both have done. */
export interface Comparison {
  readonly tasks: number;
  /** Predictions whose statements are equal. */
  readonly identical: number;
  readonly here: { readonly em: number; readonly es: number };
  readonly there: { readonly em: number; readonly es: number };
}

/**
 * Compares by task id. Where the file holds several retrievers, the rows of `retriever` count.
 * @throws InputError for a file that holds no predictions of these tasks
 */
export function compare(results: readonly Result[], path: string, retriever: string): Comparison {
  const rows = readPredictions(path);
  const names = new Set(rows.map((row) => row.retriever));
  const there = new Map(
    rows.filter((row) => names.size <= 1 || row.retriever === retriever).map((row) => [row.id, row]),
  );
  const pairs = results.flatMap((here) => {
    const other = there.get(here.id);
    return other === undefined ? [] : [{ here, there: other }];
  });
  if (pairs.length === 0) {
    throw new InputError(
      `${path}: expected predictions of these tasks by ${retriever}, found ${rows.length} rows by ${[...names].join(", ") || "nobody"}. Give the file made from the same tasks.`,
    );
  }
  const mean = (value: (pair: { here: Result; there: Prediction }) => number) =>
    pairs.reduce((sum, pair) => sum + value(pair), 0) / pairs.length;
  return {
    tasks: pairs.length,
    identical: pairs.filter((pair) => pair.here.statement === pair.there.prediction.trim()).length,
    here: { em: mean((pair) => pair.here.em), es: mean((pair) => pair.here.es) },
    there: { em: mean((pair) => pair.there.em), es: mean((pair) => pair.there.es) },
  };
}

function readPredictions(path: string): Prediction[] {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw new InputError(
      `${path}: expected predictions as JSON lines, found no such file (${error instanceof Error ? error.message : String(error)}). Check the name.`,
    );
  }
  return text.split("\n").flatMap((line, at) => {
    if (line.trim() === "") return [];
    try {
      return [v.parse(predictionSchema, JSON.parse(line))];
    } catch (error) {
      throw new InputError(
        `${path}, line ${at + 1}: expected {id, prediction, em, es}, found something else (${error instanceof Error ? error.message : String(error)}).`,
      );
    }
  });
}
