// Maximum inner product search by FAISS (IndexFlatIP of faiss-node), under ids of the caller's.
import { checkDimension, checkLength, compareHits, ExactIndex } from "./exact-index";
import type { Addon, FlatIndex } from "./faiss-addon";
import { type BulkAdd, bulkAdder } from "./faiss-bulk";
import type { Quantized } from "./quantized";
import type { Accepts, VectorHit, VectorIndex } from "./vector-index";

/** Rows marked as removed at which they are taken out: taking out costs rows x removed comparisons in one call. */
const removedLimit = 512;
/** Vectors that wait to be handed to FAISS together, scanned exactly until then. */
const waitingLimit = 512;
/** So many are handed over when nothing else is done: to scan them takes up to a fifth of a search, to hand them over a millisecond or two. */
const worthHandingOver = 128;
/** Hits asked for beyond `k`, so that equals at the border are seen without a second search. */
const slack = 8;

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
