// What is measured, each phase in a process of its own so that its memory is its own: index, start, complete.
import { basename } from "node:path";
import { pathToFileURL } from "node:url";
import { defaultThreads } from "../../sidecar/inference/onnx-backbone";
import {
  type CompletionTimings,
  type CompletionTrace,
  defaultSettings,
  type IndexCounts,
  type Settings,
} from "../../sidecar/protocol";
import { type Engine, openEngine } from "../../sidecar/server/engine";
import { quietLog } from "../../sidecar/server/log";
import { type Cursor, crossFileCursors, readSources, spread, typingCursors } from "./cursors";
import { createReference } from "./reference";
import { percentile, similarity } from "./statistics";

export interface PhaseOptions {
  readonly workspace: string;
  readonly storagePath: string;
  readonly modelPath: string;
  readonly grammarPath: string;
  readonly completions: number;
}

export interface IndexResult {
  readonly counts: IndexCounts;
  readonly indexMs: number;
  readonly fragmentsPerSecond: number;
  /** Fragments embedded in the time of one reference product. */
  readonly fragmentsPerReference: number;
  readonly referenceMs: number;
  readonly vectorIndex: { readonly name: string; readonly reason: string };
  readonly peakMegabytes: number;
}

/** Builds the index from nothing. */
export async function indexPhase(options: PhaseOptions): Promise<IndexResult> {
  const { engine } = await openWorkspace(options);
  const reference = await createReference(defaultThreads());
  await reference.measure(100);
  const before = await reference.measure(500);
  const start = performance.now();
  const counts = await engine.index.reindex({ signal: new AbortController().signal, onProgress: () => {} });
  const indexMs = performance.now() - start;
  const referenceMs = (before + (await reference.measure(500))) / 2;
  const { vectorIndex } = engine.index;
  await engine.index.flush();
  const result = {
    counts: engine.index.counts(),
    indexMs,
    fragmentsPerSecond: (1000 * counts.embedded) / indexMs,
    fragmentsPerReference: (counts.embedded * referenceMs) / indexMs,
    referenceMs,
    vectorIndex,
    peakMegabytes: peakMegabytes(),
  };
  await engine.dispose();
  return result;
}

export interface StartResult {
  /** From before the model is loaded to the first answer of the index. */
  readonly readyMs: number;
  readonly modelMs: number;
  readonly indexMs: number;
  /** From the start of the process. */
  readonly processMs: number;
  /** Must be 0: a second start embeds nothing. */
  readonly embedded: number;
  readonly peakMegabytes: number;
}

/** Starts with the index on disk. */
export async function startPhase(options: PhaseOptions): Promise<StartResult> {
  const start = performance.now();
  const { engine, openMs } = await openWorkspace(options);
  const counts = await engine.index.reindex({ signal: new AbortController().signal, onProgress: () => {} });
  const end = performance.now();
  const result = {
    readyMs: end - start,
    modelMs: openMs,
    indexMs: end - start - openMs,
    processMs: end,
    embedded: counts.embedded,
    peakMegabytes: peakMegabytes(),
  };
  await engine.dispose();
  return result;
}

export interface Spread {
  readonly p50: number;
  readonly p95: number;
}

export interface Quality {
  readonly cursors: number;
  /** First line of the suggestion equal to the rest of the line. */
  readonly exact: number;
  /** Suggestion begins with the name that is defined in another file. */
  readonly named: number;
  /** Mean edit similarity of the first line and the rest of the line, 0..1. */
  readonly similarity: number;
  readonly suggested: number;
}

export interface CompleteResult {
  readonly model: string;
  readonly provider: string;
  readonly completions: number;
  readonly timings: Record<keyof CompletionTimings, Spread>;
  readonly withoutRetrieval: Spread;
  readonly promptTokens: Spread;
  readonly generatedTokens: Spread;
  readonly referenceMs: number;
  /** Median completion in reference products timed right before each. */
  readonly completionReferences: number;
  /** Share of completions with a suggestion. */
  readonly suggested: number;
  readonly crossFile: { readonly withRetrieval: Quality; readonly withoutRetrieval: Quality };
  readonly peakMegabytes: number;
}

/** Completes at cursors all over the workspace, with its index on disk. */
export async function completePhase(options: PhaseOptions): Promise<CompleteResult> {
  const { engine } = await openWorkspace(options);
  await engine.index.reindex({ signal: new AbortController().signal, onProgress: () => {} });
  const sources = await readSources(options.workspace);
  const cursors = typingCursors(options.workspace, sources, options.completions);
  const reference = await createReference(defaultThreads());
  const references: number[] = [];
  await reference.measure(100);
  for (const cursor of cursors.slice(0, 3)) await run(engine, cursor, defaultSettings);

  const traces: CompletionTrace[] = [];
  const bare: number[] = [];
  for (const cursor of cursors) {
    references.push(await reference.measure(20));
    traces.push(await run(engine, cursor, defaultSettings));
    bare.push((await run(engine, cursor, { ...defaultSettings, retrieval: false })).timings.totalMs);
  }
  const referenceMs = percentile(references, 0.5);
  const over = (value: (trace: CompletionTrace) => number) => percentiles(traces.map(value));
  const timings = {
    totalMs: over((trace) => trace.timings.totalMs),
    waitMs: over((trace) => trace.timings.waitMs),
    expressMs: over((trace) => trace.timings.expressMs),
    searchMs: over((trace) => trace.timings.searchMs),
    selectMs: over((trace) => trace.timings.selectMs),
    prefillMs: over((trace) => trace.timings.prefillMs),
    decodeMs: over((trace) => trace.timings.decodeMs),
    filterMs: over((trace) => trace.timings.filterMs),
  };
  const crossFile = spread(crossFileCursors(options.workspace, sources), 2 * options.completions);
  const { model, provider } = engine.backbone;
  const result = {
    model: `${model.name} ${model.version}, ${(model.architecture.parameters / 1e6).toFixed(1)} million parameters`,
    provider: `${provider.name} (${provider.reason})`,
    completions: traces.length,
    timings,
    withoutRetrieval: percentiles(bare),
    promptTokens: over((trace) => trace.promptTokens),
    generatedTokens: over((trace) => trace.generatedTokens),
    referenceMs,
    completionReferences: percentile(
      traces.map((trace, at) => trace.timings.totalMs / (references[at] ?? Number.NaN)),
      0.5,
    ),
    suggested: traces.filter((trace) => trace.suggestion !== "").length / Math.max(1, traces.length),
    peakMegabytes: peakMegabytes(),
    crossFile: {
      withRetrieval: await quality(engine, crossFile, defaultSettings),
      withoutRetrieval: await quality(engine, crossFile, { ...defaultSettings, retrieval: false }),
    },
  };
  await engine.dispose();
  return result;
}

async function quality(engine: Engine, cursors: readonly Cursor[], settings: Settings): Promise<Quality> {
  let exact = 0;
  let named = 0;
  let sum = 0;
  let suggested = 0;
  for (const cursor of cursors) {
    const { suggestion } = await run(engine, cursor, settings);
    const firstLine = (suggestion.split("\n")[0] ?? "").trimEnd();
    const truth = cursor.truth.trimEnd();
    if (suggestion !== "") suggested += 1;
    if (firstLine === truth) exact += 1;
    if (cursor.name !== undefined && new RegExp(`^${cursor.name}\\b`).test(suggestion)) named += 1;
    sum += similarity(firstLine, truth);
  }
  return {
    cursors: cursors.length,
    exact,
    named,
    suggested,
    similarity: cursors.length === 0 ? 0 : sum / cursors.length,
  };
}

function run(engine: Engine, cursor: Cursor, settings: Settings): Promise<CompletionTrace> {
  return engine.completer.complete(cursor.context, settings, cursor, undefined, performance.now());
}

/** Opens the engine on the workspace; nothing is indexed yet. @param threads 0: as the product chooses them */
export async function openWorkspace(
  options: Omit<PhaseOptions, "completions">,
  threads: number = defaultSettings.threads,
): Promise<{ engine: Engine; openMs: number }> {
  const start = performance.now();
  const engine = await openEngine({
    modelPath: options.modelPath,
    grammarPath: options.grammarPath,
    storagePath: options.storagePath,
    executionProvider: "auto",
    threads,
    maxFileKilobytes: defaultSettings.maxFileKilobytes,
    log: quietLog,
    hasFolders: () => true,
  });
  const openMs = performance.now() - start;
  await engine.index.setFolders([{ uri: pathToFileURL(options.workspace).href, name: basename(options.workspace) }]);
  return { engine, openMs };
}

export function percentiles(values: readonly number[]): Spread {
  return { p50: percentile(values, 0.5), p95: percentile(values, 0.95) };
}

/** The most memory this process ever held, MB. */
function peakMegabytes(): number {
  return process.resourceUsage().maxRSS / 1024;
}
