// Loads faiss-node's addon, or says why it does not work here.
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { firstLine } from "../../host/errors";
import { isSpecialFile } from "../../host/regular-file";
import { isRunning } from "../../host/running-process";

/** The part of faiss-node's IndexFlatIP that is used. Row numbers are positions: removing rows moves the later ones up. */
export interface FaissFlat {
  add(rows: number[]): void;
  search(query: number[], k: number): { distances: number[]; labels: number[] };
  removeIds(rows: number[]): number;
}

export interface FaissAddon {
  readonly IndexFlatIP: new (dimension: number) => FaissFlat;
}

/** The addon, or why there is none. */
type LoadedAddon = { readonly addon: FaissAddon } | { readonly failure: string };

/** One process may have been killed by chance in these milliseconds; two in a row were ended by the addon. */
const maxCrashes = 2;
/** Time after which the addon is tried again. */
const retryMs = 24 * 3600 * 1000;

let loaded: LoadedAddon | undefined;

/** Loads faiss-node once per process. Never throws. See {@link tryFaiss}. */
export function loadFaiss(guardFile?: string): LoadedAddon {
  loaded ??= tryFaiss(guardFile);
  return loaded;
}

/**
 * Loads faiss-node and searches with it. An addon that was built for another CPU ends the process here. The guard file, which is
 * written before and deleted after, tells the next process. After two such crashes the addon is not tried for a day.
 */
export function tryFaiss(guardFile?: string): LoadedAddon {
  try {
    // Not an import: the addon may be missing, and it must stay beside its binary instead of being bundled.
    const require = createRequire(__filename);
    const entry = require.resolve("faiss-node");
    if (guardFile === undefined) return trial(require(entry));
    const binary = join(dirname(entry), "..", "build", "Release", "faiss-node.node");
    const { size, mtimeMs } = statSync(binary);
    const fingerprint = `${binary} ${size} ${mtimeMs}`;
    const crashes = crashesOf(guardFile, fingerprint);
    if (crashes >= maxCrashes) {
      return {
        failure: `${crashes} processes ended while they tried the addon, which seems to be built for another CPU; it is tried again after a day, or once ${guardFile} is deleted`,
      };
    }
    const guarded = writeGuard(guardFile, `${process.pid} ${crashes + 1} ${fingerprint}`);
    try {
      return trial(require(entry));
    } finally {
      if (guarded) rmSync(guardFile, { force: true });
    }
  } catch (error) {
    return { failure: firstLine(error) };
  }
}

/** Searches for one query and for 32: from 20 queries on FAISS calls BLAS, and an addon without BLAS ends the process. */
function trial(addon: unknown): LoadedAddon {
  if (!isAddon(addon)) return { failure: "faiss-node has no IndexFlatIP" };
  const index = new addon.IndexFlatIP(16);
  index.add(Array.from({ length: 32 }, (_, i) => (i < 16 ? 0 : 1)));
  for (const queries of [1, 32]) {
    const { labels } = index.search(new Array<number>(16 * queries).fill(1), 1);
    if (labels.length !== queries || labels.some((label) => label !== 1))
      return { failure: "a trial search gave a wrong result" };
  }
  return { addon };
}

/** How many processes in a row ended while they tried this addon. */
function crashesOf(guardFile: string, fingerprint: string): number {
  try {
    const { mtimeMs } = statSync(guardFile);
    if (isSpecialFile(guardFile)) return 0;
    const [, pid, ended, tried] = /^(\d+) (\d+) (.*)$/.exec(readFileSync(guardFile, "utf8")) ?? [];
    if (tried !== fingerprint || Date.now() - mtimeMs > retryMs) return 0;
    // Another process is trying it right now: only the crashes before that count.
    return isRunning(Number(pid)) ? Number(ended) - 1 : Number(ended);
  } catch {
    return 0;
  }
}

function writeGuard(guardFile: string, content: string): boolean {
  try {
    if (!existsSync(dirname(guardFile))) mkdirSync(dirname(guardFile), { mode: 0o700 });
    if (isSpecialFile(guardFile)) return false;
    writeFileSync(guardFile, content);
    return true;
  } catch {
    // The addon is tried without the guard.
    return false;
  }
}

function isAddon(value: unknown): value is FaissAddon {
  return (
    typeof value === "object" && value !== null && "IndexFlatIP" in value && typeof value.IndexFlatIP === "function"
  );
}
