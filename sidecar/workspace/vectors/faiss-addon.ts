// Loads faiss-node's addon where it works, and says why where it does not.

import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { errorMessage } from "../../host/errors";
import { isRunning } from "../../host/running-process";

/** What is used of faiss-node's IndexFlatIP. Row numbers are positions; removing rows moves the later ones up. */
export interface FaissFlat {
  add(rows: number[]): void;
  search(query: number[], k: number): { distances: number[]; labels: number[] };
  removeIds(rows: number[]): number;
}

export interface FaissAddon {
  readonly IndexFlatIP: new (dimension: number) => FaissFlat;
}

/** The addon, or why there is none. */
export type LoadedAddon = { readonly addon: FaissAddon } | { readonly failure: string };

/** One may have been killed by chance; two in a row that end in these milliseconds were ended by the addon. */
const maxEnded = 2;
/** After so long the addon is tried again: what ended the processes may have passed. */
const forgottenMs = 24 * 3600 * 1000;

let loaded: LoadedAddon | undefined;

/** Loads faiss-node, once in a process. Never throws. See {@link tryFaiss}. */
export function loadFaiss(guardFile?: string): LoadedAddon {
  loaded ??= tryFaiss(guardFile);
  return loaded;
}

/**
 * Loads faiss-node and searches with it. An addon built for another CPU ends the process here: the guard file, written
 * before and deleted after, then says so to the next start. After two such ends this addon is left alone for a day.
 */
export function tryFaiss(guardFile?: string): LoadedAddon {
  try {
    // Not an import: the addon may be missing, and bundling must leave it where its binary lies.
    const require = createRequire(__filename);
    const entry = require.resolve("faiss-node");
    if (guardFile === undefined) return trial(require(entry));
    const binary = join(dirname(entry), "..", "build", "Release", "faiss-node.node");
    const { size, mtimeMs } = statSync(binary);
    const fingerprint = `${binary} ${size} ${mtimeMs}`;
    const ended = endedHere(guardFile, fingerprint);
    if (ended >= maxEnded) {
      return {
        failure: `${ended} processes ended while they tried the addon, which seems to be built for another CPU; it is tried again after a day, or once ${guardFile} is deleted`,
      };
    }
    const guarded = writeGuard(guardFile, `${process.pid} ${ended + 1} ${fingerprint}`);
    try {
      return trial(require(entry));
    } finally {
      if (guarded) rmSync(guardFile, { force: true });
    }
  } catch (error) {
    const message = errorMessage(error);
    return { failure: message.split("\n", 1)[0] ?? message };
  }
}

/** Searches as often in one call as FAISS needs to multiply by BLAS (from 20 on): an addon without BLAS ends the process. */
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

/** How many processes, one after the other, ended while they tried this very addon. */
function endedHere(guardFile: string, fingerprint: string): number {
  try {
    const { mtimeMs } = statSync(guardFile);
    const [, pid, ended, tried] = /^(\d+) (\d+) (.*)$/.exec(readFileSync(guardFile, "utf8")) ?? [];
    if (tried !== fingerprint || Date.now() - mtimeMs > forgottenMs) return 0;
    // Of another window that tries it at this moment, the ends before.
    return isRunning(Number(pid)) ? Number(ended) - 1 : Number(ended);
  } catch {
    return 0;
  }
}

function writeGuard(guardFile: string, content: string): boolean {
  try {
    if (!existsSync(dirname(guardFile))) mkdirSync(dirname(guardFile), { mode: 0o700 });
    writeFileSync(guardFile, content);
    return true;
  } catch {
    // Without the guard the addon is still worth trying.
    return false;
  }
}

function isAddon(value: unknown): value is FaissAddon {
  return (
    typeof value === "object" && value !== null && "IndexFlatIP" in value && typeof value.IndexFlatIP === "function"
  );
}
