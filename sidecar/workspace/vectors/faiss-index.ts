// Maximum inner product search by FAISS (IndexFlatIP of faiss-node), with the caller's ids.
import type { FaissAddon, FaissFlat } from "./faiss-addon";
import { FlatIndex } from "./flat-index";
import type { Quantized } from "./quantized";
import { type Accepts, checkLength, type VectorHit, type VectorIndex } from "./vector-index";

/**
 * FAISS answers up to this many floats: 8,192 vectors of 256, which it scans in about 1.4 ms. With more, the flat index is
 * several times as fast (`npm run bench -- index --only search`).
 */
const maxFloats = 8192 * 256;
/** Vectors added to FAISS in one call, which copies them number by number: 50 microseconds for 256. */
const addedAtOnce = 16;
/** Removed rows that FAISS may still hold. Deleting them takes rows x removed comparisons in one call. */
const maxRemoved = 512;
/** Hits requested beyond `k`, so that hits with the same score as the last one are seen without a second search. */
const slack = 8;

/**
 * Every vector is in a flat index as well. That index answers while vectors wait to be added to FAISS, which {@link maintain}
 * does, and once there are too many for FAISS. (faiss-node has no ids, no order among equals, and no fast removal of one row.)
 */
export class FaissIndex implements VectorIndex {
  readonly dimension: number;
  private readonly all: FlatIndex;
  /** Undefined once there were too many vectors, until the index is empty. */
  private faiss: FaissFlat | undefined;
  /** Ids that FAISS does not have yet. */
  private readonly waiting = new Set<number>();
  /** Id of every row in FAISS, removed ones included. */
  private ids: number[] = [];
  /** Row of every id in FAISS, without removed ones. */
  private readonly rows = new Map<number, number>();
  /** Rows that are removed but still in FAISS. */
  private readonly removed = new Set<number>();

  /** @param maxVectors up to which FAISS answers; default: as measured */
  constructor(
    private readonly addon: FaissAddon,
    dimension: number,
    private readonly whyFaiss: string,
    private readonly maxVectors = Math.floor(maxFloats / dimension),
  ) {
    this.all = new FlatIndex(dimension, `more than ${maxVectors} fragments, which are searched faster without FAISS`);
    this.dimension = dimension;
    this.faiss = new addon.IndexFlatIP(dimension);
  }

  get name(): VectorIndex["name"] {
    return this.faiss === undefined ? this.all.name : "faiss";
  }

  get reason(): string {
    return this.faiss === undefined ? this.all.reason : this.whyFaiss;
  }

  get size(): number {
    return this.all.size;
  }

  add(id: number, vector: Quantized): void {
    this.all.add(id, vector);
    if (this.all.size > this.maxVectors) this.dropFaiss();
    if (this.faiss !== undefined) this.waiting.add(id);
  }

  remove(ids: readonly number[]): void {
    this.all.remove(ids);
    for (const id of ids) {
      this.waiting.delete(id);
      const row = this.rows.get(id);
      if (row === undefined) continue;
      this.rows.delete(id);
      this.removed.add(row);
    }
    if (this.all.size === 0) {
      this.dropFaiss();
      this.faiss = new this.addon.IndexFlatIP(this.dimension);
    }
  }

  maintain(milliseconds: number): boolean {
    const { faiss } = this;
    if (faiss === undefined) return false;
    const end = performance.now() + milliseconds;
    if (this.removed.size >= maxRemoved) this.deleteRemoved(faiss);
    while (this.waiting.size > 0 && performance.now() < end) this.addWaiting(faiss);
    return this.waiting.size > 0;
  }

  search(query: Float32Array, k: number, accepts?: Accepts): VectorHit[] {
    checkLength(query, this.dimension, "a query");
    const { faiss } = this;
    if (faiss === undefined || this.waiting.size > 0) return this.all.search(query, k, accepts);
    return this.searchFaiss(faiss, query, Math.min(Math.floor(k), this.rows.size), accepts);
  }

  private searchFaiss(
    faiss: FaissFlat,
    query: Float32Array,
    wanted: number,
    accepts: Accepts | undefined,
  ): VectorHit[] {
    if (wanted < 1) return [];
    const plain = Array.from(query);
    const rows = this.ids.length;
    for (let depth = Math.min(rows, wanted + slack); ; depth = Math.min(rows, depth * 2)) {
      const { distances, labels } = faiss.search(plain, depth);
      const hits = this.hitsOf(labels, distances, accepts);
      // Of several hits with the same score, FAISS returns any: all must be seen before the lowest ids can be chosen.
      const border = hits[wanted - 1]?.score;
      const lowest = distances[distances.length - 1];
      if (depth === rows || (border !== undefined && lowest !== undefined && lowest < border)) {
        const ids = hits.map(({ id }) => id);
        return this.all.best(query, ids, wanted);
      }
    }
  }

  private hitsOf(labels: readonly number[], scores: readonly number[], accepts: Accepts | undefined): VectorHit[] {
    return labels.flatMap((row, at) => {
      const id = this.ids[row];
      if (id === undefined || this.removed.has(row) || (accepts !== undefined && !accepts(id))) return [];
      return [{ id, score: scores[at] ?? 0 }];
    });
  }

  private addWaiting(faiss: FaissFlat): void {
    const floats: number[] = [];
    for (const id of this.waiting) {
      if (floats.length >= addedAtOnce * this.dimension) break;
      floats.push(...(this.all.vector(id) ?? []));
      this.rows.set(id, this.ids.length);
      this.ids.push(id);
      this.waiting.delete(id);
    }
    faiss.add(floats);
  }

  private deleteRemoved(faiss: FaissFlat): void {
    faiss.removeIds([...this.removed]);
    this.ids = this.ids.filter((_, row) => !this.removed.has(row));
    this.removed.clear();
    this.rows.clear();
    for (const [row, id] of this.ids.entries()) this.rows.set(id, row);
  }

  private dropFaiss(): void {
    this.faiss = undefined;
    this.waiting.clear();
    this.ids = [];
    this.rows.clear();
    this.removed.clear();
  }
}
