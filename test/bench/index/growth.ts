// How indexing grows with the number of files: time and memory a file, from small trees to large ones.
import { join } from "node:path";
import { readSources } from "../cursors";
import { timed } from "../inference/rates";
import { type StandInOptions, standInIndex } from "./stand-in";
import { writeTree } from "./trees";

export interface GrowthOptions extends StandInOptions {
  readonly originals: string;
  readonly files: number;
}

export interface GrowthResult {
  readonly files: number;
  readonly fragments: number;
  readonly buildMs: number;
  readonly restartMs: number;
  readonly peakMegabytes: number;
  readonly storeBytes: number;
}

/** Measures one size in this process. */
export async function growthPhase(options: GrowthOptions): Promise<GrowthResult> {
  await writeTree(await readSources(options.originals), options.workspace, options.files);
  const build = await standInIndex({ ...options, storagePath: join(options.storagePath, "build") }, { maxFragments: 2_000_000, maxStoreBytes: 20e9 });
  const buildMs = await timed(() => build.reindex());
  await build.flush();
  const { files, fragments, storeBytes } = build.counts();
  await build.dispose();
  const again = await standInIndex({ ...options, storagePath: join(options.storagePath, "build") }, { maxFragments: 2_000_000, maxStoreBytes: 20e9 });
  const restartMs = await timed(() => again.reindex());
  await again.dispose();
  return { files, fragments, buildMs, restartMs, peakMegabytes: process.resourceUsage().maxRSS / 1024, storeBytes };
}
