// The reports of `npm run eval`: tables with one row per language, and a JSON object.
import { relative } from "node:path";
import type { ModelPackage } from "../../sidecar/inference/package/model-package";
import { boostWeights } from "../../sidecar/retrieval/boosts";
import type { Comparison } from "./compare";
import type { Command } from "./options";
import { duration } from "./progress";
import type { Result } from "./results";
import { byLanguage, countUnits, type Figure, type FigureName, figureNames, summarise, type Unit } from "./summary";

/** The result of a run. */
export interface Run {
  readonly command: Command;
  readonly model: ModelPackage;
  readonly provider: string;
  readonly results: readonly Result[];
  /** Number of results from earlier runs. */
  readonly before: number;
  readonly elapsedMs: number;
  readonly unit: Unit;
  readonly comparison: Comparison | undefined;
}

const labels: Readonly<Record<FigureName, string>> = {
  em: "exact match",
  es: "edit similarity",
  idF1: "identifier F1",
  mrr10: "MRR@10",
  recall1: "Recall@1",
  recall5: "Recall@5",
  recall10: "Recall@10",
};
const ofCompletion = ["em", "es", "idF1"] as const;
const ofRetrieval = ["mrr10", "recall1", "recall5", "recall10"] as const;

/** The results by language, and all of them when there are several. */
function groupsOf(results: readonly Result[]): Map<string, readonly Result[]> {
  const groups = new Map<string, readonly Result[]>(byLanguage(results));
  if (groups.size > 1) groups.set("all", results);
  return groups;
}

/** The report as text. */
export function reportLines({ command, model, provider, results, before, elapsedMs, unit, comparison }: Run): string {
  const { retriever, fragments, plain, imported } = command;
  const needing = results.filter(({ needs }) => needs);
  const groups = [...groupsOf(results)].map(([name, group]) => ({ name, group, figures: summarise(group, unit) }));
  const units = unit === "repository" ? "repositories" : "files";
  const suggested = results.filter(({ prediction }) => prediction !== "").length;
  const inPrompt = needing.filter((result) => result.inPrompt).length;
  const meanFragments = results.reduce((sum, result) => sum + result.fragments, 0) / results.length;
  const cells = (names: readonly FigureName[], figures: Readonly<Record<FigureName, Figure>>) =>
    names.map((name) => show(figures[name], name));
  const lines = [
    `${model.name} ${model.version} (${model.hash.slice(0, 8)}) on ${provider}, ${retriever}, ${fragments === "product" ? "the sidecar's fragments" : "windows of 20 lines"}${imported === boostWeights.imported ? "" : `, imported files boosted by ${imported}`}${plain ? ", plain" : ""}`,
    `${results.length} tasks in ${countUnits(results, "file")} files of ${countUnits(results, "repository")} repositories; 95 % intervals over ${units}`,
    "",
    ...table(
      ["language", "tasks", units, ...ofCompletion.map((name) => labels[name])],
      groups.map(({ name, group, figures }) => [
        name,
        `${group.length}`,
        `${countUnits(group, unit)}`,
        ...cells(ofCompletion, figures),
      ]),
    ),
  ];
  if (retriever !== "none")
    lines.push(
      "",
      "retrieval, for tasks with a definition in another file",
      ...table(
        ["language", "tasks", ...ofRetrieval.map((name) => labels[name])],
        groups.map(({ name, group, figures }) => [
          name,
          `${group.filter(({ needs }) => needs).length}`,
          ...cells(ofRetrieval, figures),
        ]),
      ),
      `${meanFragments.toFixed(1)} fragments a prompt, a defining one in ${inPrompt}/${needing.length}`,
    );
  lines.push(
    "",
    `something suggested ${suggested}/${results.length}; median ${medianOf(results).toFixed(0)} ms a completion; ${duration(elapsedMs)} for ${results.length - before} tasks`,
  );
  for (const [reason, count] of reasonsOf(results)) lines.push(`  ${count} suppressed: ${reason}`);
  if (comparison !== undefined && command.compare !== undefined)
    lines.push("", ...comparisonLines(comparison, command.compare, unit));
  return `${lines.join("\n")}\n`;
}

/** The reasons why nothing was suggested with their numbers, the most frequent first. */
function reasonsOf(results: readonly Result[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const { suppressed } of results)
    if (suppressed !== undefined) counts.set(suppressed, (counts.get(suppressed) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a);
}

function comparisonLines(comparison: Comparison, path: string, unit: Unit): string[] {
  const named = relative(process.cwd(), path);
  return [
    `minus ${named.startsWith("..") ? path : named}, task by task; 95 % intervals over ${unit === "repository" ? "repositories" : "files"}`,
    ...table(
      ["language", "tasks", "identical", "exact match", "difference", "edit similarity", "difference"],
      Object.entries(comparison).map(([name, { tasks, identical, here, there, difference }]) => [
        name,
        `${tasks}`,
        `${identical}`,
        `${here.em.toFixed(3)}, ${there.em.toFixed(3)}`,
        show(difference.em, "em", true),
        `${here.es.toFixed(2)}, ${there.es.toFixed(2)}`,
        show(difference.es, "es", true),
      ]),
    ),
  ];
}

/** The report as JSON: figures of all tasks and by language, and the result of every task. */
export function reportObject({ command, model, provider, results, elapsedMs, unit, comparison }: Run): object {
  const { retriever, fragments, imported, plain } = command;
  const needing = results.filter(({ needs }) => needs);
  return {
    ...numbers(results, unit),
    languages: Object.fromEntries(
      [...byLanguage(results)].map(([language, group]) => [
        language,
        { tasks: group.length, ...numbers(group, unit), medianMs: medianOf(group) },
      ]),
    ),
    tasks: results.length,
    retriever,
    model: `${model.name} ${model.version}`,
    modelHash: model.hash,
    intervalsOver: unit,
    retrievalTasks: needing.length,
    repositories: countUnits(results, "repository"),
    files: countUnits(results, "file"),
    fragments,
    imported,
    plain,
    provider,
    suppressed: Object.fromEntries(reasonsOf(results)),
    suggested: results.filter(({ prediction }) => prediction !== "").length,
    definitionInPrompt: needing.filter(({ inPrompt }) => inPrompt).length,
    medianMs: medianOf(results),
    elapsedSeconds: elapsedMs / 1000,
    comparison,
    results: results.map(({ id, language, statement, em, es, idF1, ms }) => ({
      id,
      language,
      prediction: statement,
      em,
      es,
      idF1,
      ms,
    })),
  };
}

function numbers(results: readonly Result[], unit: Unit) {
  const figures = summarise(results, unit);
  return {
    ...Object.fromEntries(figureNames.map((name) => [name, figures[name].value])),
    intervals: Object.fromEntries(figureNames.map((name) => [name, [figures[name].low, figures[name].high]])),
  };
}

/** Milliseconds. */
function medianOf(results: readonly Result[]): number {
  const times = results.map(({ ms }) => ms).sort((a, b) => a - b);
  return times[Math.floor(times.length / 2)] ?? 0;
}

function show({ value, low, high }: Figure, name: FigureName, signed = false): string {
  const text = (number: number | null) =>
    number === null ? "-" : `${signed && number > 0 ? "+" : ""}${number.toFixed(name === "es" ? 1 : 3)}`;
  return value === null ? "-" : `${text(value)} (${text(low)} to ${text(high)})`;
}

/** A table with aligned columns. */
function table(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? "").length)));
  return all.map(
    (row) =>
      `  ${row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd()}`,
  );
}
