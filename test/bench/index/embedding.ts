// Indexing with the model: its rate, its cost for completions, and the delay of a saved file.
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Engine } from "../../../sidecar/engine";
import { defaultSettings } from "../../../sidecar/protocol";
import { type Cursor, readSources, typingCursors } from "../cursors";
import { timed } from "../inference/pace";
import { percentile } from "../statistics";
import { completeAt, openWorkspace, type WorkspaceOptions } from "../workspace";
import { variation } from "./trees";

export interface EmbeddingOptions extends WorkspaceOptions {
  readonly threads: number;
  readonly rounds: number;
}

export interface EmbeddingResult {
  readonly files: number;
  readonly fragments: number;
  /** Fragments per second, from listing the files to the index on disk; median of rounds. */
  readonly perSecond: number;
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

const cursorsTyped = 10;
const latencyRounds = 4;
const saves = 6;

/** Measures in this process. */
export async function embeddingPhase(options: EmbeddingOptions): Promise<EmbeddingResult> {
  const sources = await readSources(options.workspace);
  const perSecond: number[] = [];
  let indexed: Engine | undefined;
  for (let round = 0; round < options.rounds; round++) {
    await indexed?.dispose();
    const storagePath = join(options.storagePath, `round${round}`);
    const engine = await openWorkspace({ ...options, storagePath }, options.threads);
    // Starts the threads of the model.
    await engine.backbone.embed([[0]]);
    const ms = await timed(async () => {
      await engine.index.reindex();
      await engine.index.flush();
    });
    perSecond.push((1000 * engine.index.counts().embedded) / ms);
    indexed = engine;
  }
  if (indexed === undefined) throw new Error(`expected at least one round, found ${options.rounds}`);
  const counts = indexed.index.counts();
  const saved = await saveSome(indexed, options.workspace, [...sources]);
  const latency = await latencies(indexed, options, typingCursors(options.workspace, sources, cursorsTyped), sources);
  await indexed.dispose();
  return {
    files: counts.files,
    fragments: counts.embedded,
    perSecond: percentile(perSecond, 0.5),
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
    for (const cursor of cursors) times.push((await completeAt(engine, cursor, defaultSettings)).timings.totalMs);
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
