// How time and memory of indexing grow with the number of files.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { inProcess } from "../child";
import { readSources } from "../cursors";
import { type StandInOptions, standInIndex } from "./stand-in";
import { writeTree } from "./trees";

export interface GrowthOptions extends StandInOptions {
  readonly originals: string;
  readonly files: number;
}

/** One run over all files in its own process. */
export interface GrowthRun {
  readonly files: number;
  readonly fragments: number;
  readonly embedded: number;
  /** From opening the index until all files are ready; also as processor time of all threads. */
  readonly ms: number;
  readonly cpuMs: number;
  readonly peakMegabytes: number;
  readonly storeBytes: number;
}

export interface GrowthResult {
  readonly first: GrowthRun;
  readonly restart: GrowthRun;
}

const noLimits = { maxFragments: 2_000_000, maxStoreBytes: 20e9 };
/** Milliseconds between two progress lines. */
const reportMs = 10_000;

/** Measures one size in the folder `place`, which is deleted afterwards. */
export async function measureGrowth(
  options: Omit<GrowthOptions, "workspace" | "storagePath">,
  place: string,
  cores: number,
): Promise<GrowthResult> {
  const run = { ...options, workspace: join(place, "tree"), storagePath: join(place, "index") };
  try {
    await writeTree(await readSources(options.originals), run.workspace, options.files);
    const first = await inProcess<GrowthRun>("index-growth", run, { cores });
    return { first, restart: await inProcess<GrowthRun>("index-growth", run, { cores }) };
  } finally {
    await rm(place, { recursive: true, force: true });
  }
}

/** Measures in this process: a first run with an empty store, or a restart with a full one. */
export async function growthPhase(options: GrowthOptions): Promise<GrowthRun> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  let lastReport = start;
  const index = await standInIndex(options, noLimits);
  await index.reindex({
    onProgress: (done, total, secondsLeft) => {
      if (performance.now() - lastReport < reportMs) return;
      lastReport = performance.now();
      process.stderr.write(
        `  ${done} of ${total} files${secondsLeft === undefined ? "" : `, about ${secondsLeft} s left`}\n`,
      );
    },
  });
  const ms = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  await index.flush();
  const { files, fragments, embedded, storeBytes } = index.counts();
  await index.dispose();
  return {
    files,
    fragments,
    embedded,
    ms,
    cpuMs: (user + system) / 1000,
    peakMegabytes: process.resourceUsage().maxRSS / 1024,
    storeBytes,
  };
}
