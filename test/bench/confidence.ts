// `npm run bench -- confidence`: fits the confidence of suggestions on real cursors, and checks its calibration.
import { basename, dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import * as v from "valibot";
import { Completer } from "../../sidecar/completion/completer";
import {
  type Calibration,
  type Evidence,
  features,
  probabilityBy,
  statedConfidence,
} from "../../sidecar/completion/confidence";
import { packagedLocations } from "../../sidecar/host/locations";
import { defaultSettings } from "../../sidecar/protocol";
import type { FragmentSource } from "../../sidecar/workspace/fragment-source";
import { type Files, placeOf, type Task } from "../eval/input";
import { measuredModel } from "../eval/measured-model";
import { RowFile } from "../eval/results";
import { count } from "./command";
import { placesOfTyping, spread } from "./cursors";
import { table } from "./goals";
import { brier, calibrationError, fitLogistic } from "./logistic";
import { smallSource } from "./small-source";
import {
  contextIn,
  disposeTaskModel,
  groupedBy,
  openTaskModel,
  pairOptions,
  pairsOf,
  type TaskModel,
  type TaskPair,
  tasksByRepository,
} from "./task-input";

const help = `npm run bench -- confidence --tasks FILE --repos FILE [OPTIONS]
  --tasks FILE    cross-file tasks to complete, and
  --repos FILE    the repositories they are from; may be given several times, in pairs
  --limit N       tasks of each file of tasks; default 240
  --cursors N     additional cursors in the file of each task; default 3
  --model MODEL   model of the list, or folder of a package; default: small, the one that ships
  --rows FILE     results by cursor, from which an interrupted run continues;
                  default .cache/bench/confidence.jsonl; use one file per model
`;

/** The share of the right suggestions that each threshold still shows. */
const shownOfRight = { more: 0.99, balanced: 0.97, fewer: 0.9 } as const;

/** Number of folds for the cross-validation over repositories. */
const folds = 10;

const rowSchema = v.object({
  id: v.string(),
  language: v.string(),
  repository: v.string(),
  suggestion: v.string(),
  truth: v.string(),
  right: v.boolean(),
  /** Absent when nothing was suggested. */
  evidence: v.optional(
    v.object({ meanLogProbability: v.number(), firstLineTokens: v.number(), isValid: v.optional(v.boolean()) }),
  ),
});
type Row = v.InferOutput<typeof rowSchema>;
type Suggested = Row & { readonly evidence: Evidence };

/** A cursor and the real rest of its line. */
interface Asked {
  readonly id: string;
  readonly prefix: string;
  readonly suffix: string;
  readonly truth: string;
}

/** @throws Error for an invalid option; InputError for tasks that cannot be read */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: "boolean" },
      ...pairOptions,
      limit: { type: "string", default: "240" },
      cursors: { type: "string", default: "3" },
      model: { type: "string" },
      rows: { type: "string", default: join(dirname(__dirname), ".cache", "bench", "confidence.jsonl") },
    },
  });
  if (values.help === true) return void process.stdout.write(help);
  const pairs = pairsOf(values, help);
  const { modelFolders, grammarPath } = packagedLocations(dirname(__filename));
  const rows = new RowFile(resolve(values.rows), rowSchema);
  const model = await openTaskModel(measuredModel(values.model, modelFolders), grammarPath);
  const sizes = { limit: count("--limit", values.limit), cursors: count("--cursors", values.cursors) };
  for (const pair of pairs) await ask(model, pair, sizes, rows);
  await disposeTaskModel(model);
  process.stdout.write(`${report(rows.all)}\n`);
}

/** Completes at the tasks' cursors and at others in the same files. */
async function ask(
  model: TaskModel,
  pair: TaskPair,
  { limit, cursors }: { readonly limit: number; readonly cursors: number },
  rows: RowFile<Row>,
): Promise<void> {
  for (const { name, tasks, files } of await tasksByRepository(pair, limit)) {
    for (const [file, group] of groupedBy(tasks, (task) => task.file)) {
      const [first] = group;
      const asked = [
        ...group.map((task) => ({ id: task.id, truth: task.groundtruth, ...placeOf(task, files) })),
        ...typingIn(first, files, cursors),
      ].filter(({ id }) => rows.get(id) === undefined);
      if (asked.length === 0) continue;
      process.stderr.write(`${basename(pair.tasks)}: ${name}, ${file}\n`);
      const source = await smallSource(file, files, model);
      for (const each of asked) rows.add(await complete(model, each, first, source));
    }
  }
}

async function complete(
  model: TaskModel,
  { id, prefix, suffix, truth }: Asked,
  { repository, language, file }: Task,
  source: FragmentSource,
): Promise<Row> {
  let evidence: Evidence | undefined;
  // Records the evidence, and shows every suggestion.
  const calibration: Calibration = {
    probability: (given) => {
      evidence = given;
      return 1;
    },
    thresholds: { more: 0, balanced: 0, fewer: 0 },
  };
  const completer = new Completer({ ...model, source: () => source, log: () => {}, calibration });
  const context = contextIn(file, { prefix, suffix });
  const position = { line: prefix.split("\n").length - 1, character: 0 };
  const { suggestion } = await completer.complete(context, defaultSettings, position, undefined, performance.now(), {
    invoked: true,
  });
  const right = suggestion !== "" && firstLine(suggestion) === firstLine(truth);
  return { id, language, repository, suggestion, truth, right, ...(evidence && { evidence }) };
}

/** Cursors in the task's file, without the rest of their line. */
function typingIn({ repository, file }: Task, files: Files, max: number): Asked[] {
  const text = files.get(file) ?? "";
  return spread(placesOfTyping(text), max).map((offset) => {
    const end = text.indexOf("\n", offset);
    const lineEnd = end < 0 ? text.length : end;
    return {
      id: `${repository} ${file} ${offset}`,
      prefix: text.slice(0, offset),
      suffix: text.slice(lineEnd),
      truth: text.slice(offset, lineEnd),
    };
  });
}

function firstLine(text: string): string {
  return (text.trimStart().split("\n", 1)[0] ?? "").trimEnd();
}

/** Prints the fit, its calibration on held-out repositories, and the effect of thresholds. */
function report(rows: readonly Row[]): string {
  const suggested = rows.flatMap((row): Suggested[] => {
    const { evidence } = row;
    return evidence === undefined || row.suggestion === ""
      ? []
      : [{ ...row, evidence: { ...evidence, isValid: evidence.isValid } }];
  });
  const right = suggested.filter((row) => row.right).length;
  const fitted = (of: readonly Suggested[]) =>
    fitLogistic(of.map(({ evidence, right }) => ({ x: features(evidence), y: right ? 1 : 0 })));
  const names = [...new Set(suggested.map(({ repository }) => repository))].sort();
  const foldOf = new Map(names.map((name, at) => [name, at % folds]));
  const predictions = Array.from({ length: folds }, (_, fold) => {
    const weights = fitted(suggested.filter(({ repository }) => foldOf.get(repository) !== fold));
    return suggested
      .filter(({ repository }) => foldOf.get(repository) === fold)
      .map((row) => ({ probability: probabilityBy(weights, row.evidence), right: row.right, language: row.language }));
  }).flat();
  const share = right / suggested.length;
  const percent = (part: number, whole: number): string => `${((100 * part) / Math.max(1, whole)).toFixed(1)} %`;
  const thresholds = [0, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5];
  const shownFrom = (threshold: number): string[] => {
    const shown = predictions.filter(({ probability }) => probability >= threshold);
    const shownRight = shown.filter((each) => each.right).length;
    return [percent(shown.length, predictions.length), percent(shownRight, shown.length), percent(shownRight, right)];
  };
  const lines = thresholds.map((threshold) => [threshold.toFixed(2), ...shownFrom(threshold)]);
  const probabilities = predictions
    .filter((each) => each.right)
    .map(({ probability }) => probability)
    .sort((a, b) => a - b);
  // Rounded down, so that the threshold suppresses no more than intended.
  const thresholdFor = (shareShown: number): number =>
    Math.floor(1000 * (probabilities[Math.floor((1 - shareShown) * probabilities.length)] ?? 0)) / 1000;
  const stated = statedConfidence(fitted(suggested), {
    more: thresholdFor(shownOfRight.more),
    balanced: thresholdFor(shownOfRight.balanced),
    fewer: thresholdFor(shownOfRight.fewer),
  });
  const chosen = Object.entries(stated.thresholds).map(([frequency, threshold]) => [
    `${frequency}: ${threshold.toFixed(3)}`,
    ...shownFrom(threshold),
  ]);
  const languages = [...new Set(predictions.map(({ language }) => language))].map((language) => {
    const of = predictions.filter((each) => each.language === language);
    return [
      language,
      String(of.length),
      percent(of.filter((each) => each.right).length, of.length),
      brier(of).toFixed(4),
      calibrationError(of, folds).toFixed(4),
    ];
  });
  return [
    `${rows.length} cursors in ${names.length} repositories, ${suggested.length} with a suggestion, the first line right in ${right} of them (${percent(right, suggested.length)})`,
    `predicted by fits on the other repositories (${folds} parts): Brier score ${brier(predictions).toFixed(4)}, always the mean ${(share * (1 - share)).toFixed(4)}; expected calibration error ${calibrationError(predictions, folds).toFixed(4)}`,
    table(["language", "suggested", "right", "Brier", "ECE"], languages),
    table(["threshold", "share shown", "right of what is shown", "shown of what is right"], [...lines, ...chosen]),
    `fitted on all, for model.json:\n${JSON.stringify({ confidence: stated }, undefined, 2).split("\n").slice(1, -1).join("\n")}`,
  ].join("\n\n");
}
