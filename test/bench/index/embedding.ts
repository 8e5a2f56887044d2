// Indexing with the model: its rate relative to the bare graph, its cost for completions, and the delay of a saved file.
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Engine } from "../../../sidecar/engine";
import { PromptFormat } from "../../../sidecar/inference/prompt-format";
import { Tokenizer } from "../../../sidecar/inference/tokenizer";
import { defaultSettings } from "../../../sidecar/protocol";
import { createChunker } from "../../../sidecar/workspace/chunking/create-chunker";
import { type Cursor, readSources, typingCursors } from "../cursors";
import { timed } from "../inference/pace";
import { RawForward } from "../inference/service";
import { percentile } from "../statistics";
import { openWorkspace } from "../workspace";
import type { StandInOptions } from "./stand-in";
import { variation } from "./trees";

export interface EmbeddingOptions extends StandInOptions {
  readonly threads: number;
  readonly rounds: number;
}

export interface EmbeddingResult {
  readonly files: number;
  readonly fragments: number;
  /** Medians of rounds, fragments per second: from listing the files to the index on disk, and of the bare graph. */
  readonly perSecond: number;
  readonly rawPerSecond: number;
  readonly rawBatch: number;
  /** Median of the rounds' quotients. */
  readonly share: number;
  /** Milliseconds of a completion without and with indexing at the same time. */
  readonly idleMs: number;
  readonly busyMs: number;
  /** Median of the quotients of neighbouring rounds. */
  readonly slowdown: number;
  readonly completions: number;
  /** Maximum milliseconds until a saved file's new fragment is found by its own vector. */
  readonly savedMs: number;
  readonly saves: number;
}

const rawBatches = [4, 8, 16];
const cursorsTyped = 10;
const latencyRounds = 4;
const saves = 6;

/** Measures in this process. */
export async function embeddingPhase(options: EmbeddingOptions): Promise<EmbeddingResult> {
  const sources = await readSources(options.workspace);
  const { engine } = await openWorkspace(
    { ...options, storagePath: join(options.storagePath, "first") },
    options.threads,
  );
  const { model } = engine.backbone;
  const format = new PromptFormat(model, await Tokenizer.load(model));
  const chunker = await createChunker(options.grammarPath, () => {});
  const fragments: number[][] = [];
  for (const [path, text] of sources)
    for (const chunk of await chunker.chunk(path, text)) fragments.push(format.fragmentEmbedding(path, chunk.text));
  await engine.backbone.embed(fragments.slice(0, 32));
  const raw = await RawForward.open(model, options.threads);
  const trial = fragments.slice(0, 64);
  const rates: { rows: number; ms: number }[] = [];
  for (const rows of rawBatches)
    rates.push({
      rows,
      ms: Math.min(await timed(() => raw.embed(trial, rows)), await timed(() => raw.embed(trial, rows))),
    });
  const rawBatch = rates.reduce((best, each) => (each.ms < best.ms ? each : best)).rows;

  const perSecond: number[] = [];
  const rawPerSecond: number[] = [];
  let indexed = engine;
  for (let round = 0; round < options.rounds; round++) {
    rawPerSecond.push((1000 * fragments.length) / (await timed(() => raw.embed(fragments, rawBatch))));
    if (round > 0) {
      await indexed.dispose();
      indexed = (
        await openWorkspace({ ...options, storagePath: join(options.storagePath, `round${round}`) }, options.threads)
      ).engine;
    }
    const ms = await timed(async () => {
      await indexed.index.reindex();
      await indexed.index.flush();
    });
    perSecond.push((1000 * indexed.index.counts().embedded) / ms);
  }
  await raw.release();
  const counts = indexed.index.counts();
  const saved = await saveSome(indexed, options.workspace, [...sources]);
  const latency = await latencies(indexed, options, typingCursors(options.workspace, sources, cursorsTyped), sources);
  await indexed.dispose();
  return {
    files: counts.files,
    fragments: counts.embedded,
    perSecond: percentile(perSecond, 0.5),
    rawPerSecond: percentile(rawPerSecond, 0.5),
    rawBatch,
    share: percentile(
      perSecond.map((rate, round) => rate / (rawPerSecond[round] ?? Number.NaN)),
      0.5,
    ),
    ...latency,
    savedMs: Math.max(...saved),
    saves: saved.length,
  };
}

/** Completes at the cursors alternately without and with indexing of new fragments. */
async function latencies(
  engine: Engine,
  options: EmbeddingOptions,
  cursors: readonly Cursor[],
  sources: ReadonlyMap<string, string>,
): Promise<Pick<EmbeddingResult, "idleMs" | "busyMs" | "slowdown" | "completions">> {
  const complete = async (): Promise<number[]> => {
    const times: number[] = [];
    for (const cursor of cursors)
      times.push(
        (await engine.completer.complete(cursor.context, defaultSettings, cursor, undefined, performance.now())).timings
          .totalMs,
      );
    return times;
  };
  await complete();
  const idle: number[][] = [];
  const busy: number[][] = [];
  const made: string[] = [];
  for (let round = 0; round < latencyRounds; round++) {
    idle.push(await complete());
    // More fragments than can be embedded during the completions.
    for (const [path, text] of sources) {
      const file = `${path.replace(/\W/g, "_")}_${round}.js`;
      await writeFile(join(options.workspace, file), variation(text, `r${round}`));
      made.push(file);
    }
    const stop = new AbortController();
    let embedding: () => void = () => {};
    const begun = new Promise<void>((done) => (embedding = done));
    const run = engine.index
      .reindex({ signal: stop.signal, onProgress: (done, total) => total > 0 && done > sources.size && embedding() })
      .catch(() => {});
    await Promise.race([begun, run]);
    busy.push(await complete());
    stop.abort();
    await run;
  }
  for (const file of made) await rm(join(options.workspace, file));
  const medians = (rounds: readonly number[][]): number[] => rounds.map((times) => percentile(times, 0.5));
  return {
    idleMs: percentile(medians(idle), 0.5),
    busyMs: percentile(medians(busy), 0.5),
    slowdown: percentile(
      medians(busy).map((ms, round) => ms / (medians(idle)[round] ?? Number.NaN)),
      0.5,
    ),
    completions: busy.flat().length,
  };
}

/** Changes one file after another. @returns milliseconds from each write until its text is found */
async function saveSome(
  engine: Engine,
  workspace: string,
  sources: readonly (readonly [string, string])[],
): Promise<number[]> {
  const times: number[] = [];
  for (const [path] of sources.slice(0, saves)) {
    const file = join(workspace, path);
    const before = await readFile(file, "utf8");
    times.push(
      await timed(async () => {
        await writeFile(file, variation(before, "saved"));
        await engine.index.updateFile(pathToFileURL(file).href);
      }),
    );
    await writeFile(file, before);
    await engine.index.updateFile(pathToFileURL(file).href);
  }
  return times;
}
