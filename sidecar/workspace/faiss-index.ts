// Maximum inner product search by FAISS (IndexFlatIP of faiss-node), under ids of the caller's.
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { checkDimension, checkLength, compareHits, ExactIndex } from "./exact-index";
import { type BulkAdd, bulkAdder } from "./faiss-bulk";
import { isRunning } from "./owner";
import type { Quantized } from "./quantized";
import type { Accepts, VectorHit, VectorIndex } from "./vector-index";

/** What is used of faiss-node's IndexFlatIP. Row numbers are positions; removing rows moves the later ones up. */
export interface FlatIndex {
  ntotal(): number;
  add(rows: number[]): void;
  search(query: number[], k: number): { distances: number[]; labels: number[] };
  removeIds(rows: number[]): number;
  mergeFrom(other: FlatIndex): void;
  toBuffer(): Buffer;
}

export interface Addon {
  readonly IndexFlatIP: (new (dimension: number) => FlatIndex) & { read(path: string): FlatIndex };
}

/** The addon, or why there is none. */
export type LoadedAddon = { readonly addon: Addon } | { readonly failure: string };

/** Rows marked as removed at which they are taken out: taking out costs rows x removed comparisons in one call. */
const removedLimit = 512;
/** Vectors that wait to be handed to FAISS together, scanned exactly until then. */
const waitingLimit = 512;
/** So many are handed over when nothing else is done: to scan them takes up to a fifth of a search, to hand them over a millisecond or two. */
const worthHandingOver = 128;
/** Hits asked for beyond `k`, so that equals at the border are seen without a second search. */
const slack = 8;

let loaded: LoadedAddon | undefined;

/** Loads faiss-node, once in a process. Never throws. See {@link tryFaiss}. */
export function loadFaiss(guardFile?: string): LoadedAddon {
  loaded ??= tryFaiss(guardFile);
  return loaded;
}

/**
 * Loads faiss-node and searches with it. An addon built for another CPU ends the process here: the guard file, written
 * before and deleted after, then says so to the next start, which leaves this addon alone.
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
    if (endedHere(guardFile, fingerprint)) {
      return {
        failure: `a process ended while it tried the addon, which seems to be built for another CPU; delete ${guardFile} to try it again`,
      };
    }
    const guarded = writeGuard(guardFile, `${process.pid} ${fingerprint}`);
    try {
      return trial(require(entry));
    } finally {
      if (guarded) rmSync(guardFile, { force: true });
    }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
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

/** Whether a process ended while it tried this very addon. */
function endedHere(guardFile: string, fingerprint: string): boolean {
  if (!existsSync(guardFile)) return false;
  const [, pid, tried] = /^(\d+) (.*)$/.exec(readFileSync(guardFile, "utf8")) ?? [];
  return tried === fingerprint && !isRunning(Number(pid));
}

function writeGuard(guardFile: string, content: string): boolean {
  try {
    mkdirSync(dirname(guardFile), { recursive: true });
    writeFileSync(guardFile, content);
    return true;
  } catch {
    // Without the guard the addon is still worth trying.
    return false;
  }
}

function isAddon(value: unknown): value is Addon {
  return (
    typeof value === "object" && value !== null && "IndexFlatIP" in value && typeof value.IndexFlatIP === "function"
  );
}

/**
 * faiss-node has no ids of its own, no removal that is cheap for one row, no order among equals, and takes vectors one
 * number at a time (50 microseconds for 256): all this is made good here.
 */
export class FaissIndex implements VectorIndex {
  readonly name = "faiss";
  private flat: FlatIndex;
  /** Id of every row in FAISS, removed ones included. */
  private ids: number[] = [];
  /** Row of every id in FAISS, removed ones left out. */
  private readonly rows = new Map<number, number>();
  /** Rows that are removed but still in FAISS. */
  private removed = new Set<number>();
  private waiting: ExactIndex;
  private readonly bulkAdd: BulkAdd;

  /**
   * @param folder for files that are handed to FAISS
   * @param limit number of vectors handed to FAISS together
   */
  constructor(
    private readonly addon: Addon,
    readonly dimension: number,
    readonly reason: string,
    folder: string,
    private readonly limit = waitingLimit,
  ) {
    checkDimension(dimension);
    this.flat = new addon.IndexFlatIP(dimension);
    this.waiting = new ExactIndex(dimension, "waiting");
    this.bulkAdd = bulkAdder(addon, dimension, folder);
  }

  get size(): number {
    return this.rows.size + this.waiting.size;
  }

  add(id: number, vector: Quantized): void {
    if (this.rows.has(id))
      throw new RangeError(`expected an id that is not in the index, found ${id}: remove it first`);
    this.waiting.add(id, vector);
    if (this.waiting.size >= this.limit) this.handOver();
  }

  remove(ids: readonly number[]): void {
    this.waiting.remove(ids);
    for (const id of ids) {
      const row = this.rows.get(id);
      if (row === undefined) continue;
      this.rows.delete(id);
      this.removed.add(row);
      if (this.removed.size >= removedLimit) this.takeOut();
    }
    if (this.rows.size === 0 && this.removed.size > 0) this.takeOut();
  }

  settle(): boolean {
    if (this.waiting.size >= worthHandingOver) this.handOver();
    return false;
  }

  search(query: Float32Array, k: number, accepts?: Accepts): VectorHit[] {
    checkLength(query, this.dimension, "a query");
    const wanted = Math.floor(k);
    return [
      ...this.searchFlat(query, Math.min(wanted, this.rows.size), accepts),
      ...this.waiting.search(query, wanted, accepts),
    ]
      .sort(compareHits)
      .slice(0, Math.max(0, wanted));
  }

  private searchFlat(query: Float32Array, wanted: number, accepts: Accepts | undefined): VectorHit[] {
    if (wanted < 1) return [];
    const plain = Array.from(query);
    const rows = this.ids.length;
    for (let depth = Math.min(rows, wanted + slack); ; depth = Math.min(rows, depth * 2)) {
      const { distances, labels } = this.flat.search(plain, depth);
      const hits: VectorHit[] = [];
      labels.forEach((row, i) => {
        const id = this.ids[row];
        if (id !== undefined && !this.removed.has(row) && (accepts === undefined || accepts(id)))
          hits.push({ id, score: distances[i] ?? 0 });
      });
      // FAISS returns any of several equals: all of them must be seen before the lower ids can be chosen.
      const border = hits[wanted - 1]?.score;
      const deepest = distances[distances.length - 1];
      if (depth === rows || (border !== undefined && deepest !== undefined && deepest < border)) {
        return hits.sort(compareHits).slice(0, wanted);
      }
    }
  }

  private handOver(): void {
    const { ids, vectors } = this.waiting.contents();
    this.bulkAdd(this.flat, vectors);
    for (const id of ids) {
      this.rows.set(id, this.ids.length);
      this.ids.push(id);
    }
    this.waiting = new ExactIndex(this.dimension, "waiting");
  }

  private takeOut(): void {
    if (this.rows.size === 0) this.flat = new this.addon.IndexFlatIP(this.dimension);
    else this.flat.removeIds([...this.removed]);
    this.ids = this.rows.size === 0 ? [] : this.ids.filter((_, row) => !this.removed.has(row));
    this.removed = new Set();
    this.rows.clear();
    for (const [row, id] of this.ids.entries()) this.rows.set(id, row);
  }
}
