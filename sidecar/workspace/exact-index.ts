// Maximum inner product search by scanning every vector, in TypeScript: where FAISS's addon cannot load.
import { floatsOf, type Quantized } from "./quantized";
import type { Accepts, VectorHit, VectorIndex } from "./vector-index";

const initialRows = 256;

/** All vectors in one growing array, rows without gaps; a removed row is filled by the last one. */
export class ExactIndex implements VectorIndex {
  readonly name = "exact";
  private vectors: Float32Array;
  /** Id of every row. */
  private readonly ids: number[] = [];
  private readonly rows = new Map<number, number>();

  constructor(
    readonly dimension: number,
    readonly reason: string,
  ) {
    checkDimension(dimension);
    this.vectors = new Float32Array(initialRows * dimension);
  }

  get size(): number {
    return this.ids.length;
  }

  add(id: number, vector: Quantized): void {
    checkLength(vector.values, this.dimension, "a vector");
    if (this.rows.has(id))
      throw new RangeError(`expected an id that is not in the index, found ${id}: remove it first`);
    const row = this.ids.length;
    const start = row * this.dimension;
    if (start + this.dimension > this.vectors.length) {
      const grown = new Float32Array(this.vectors.length * 2);
      grown.set(this.vectors);
      this.vectors = grown;
    }
    this.vectors.set(floatsOf(vector), start);
    this.ids.push(id);
    this.rows.set(id, row);
  }

  remove(ids: readonly number[]): void {
    for (const id of ids) {
      const row = this.rows.get(id);
      if (row === undefined) continue;
      const last = this.ids.length - 1;
      const moved = this.ids[last];
      if (moved !== undefined && moved !== id) {
        this.vectors.copyWithin(row * this.dimension, last * this.dimension, (last + 1) * this.dimension);
        this.ids[row] = moved;
        this.rows.set(moved, row);
      }
      this.ids.pop();
      this.rows.delete(id);
    }
  }

  has(id: number): boolean {
    return this.rows.has(id);
  }

  /** All ids, and their vectors one after another: a view that the next change makes invalid. */
  contents(): { readonly ids: readonly number[]; readonly vectors: Float32Array } {
    return { ids: this.ids, vectors: this.vectors.subarray(0, this.ids.length * this.dimension) };
  }

  settle(): boolean {
    return false;
  }

  search(query: Float32Array, k: number, accepts?: Accepts): VectorHit[] {
    checkLength(query, this.dimension, "a query");
    const best: VectorHit[] = [];
    if (k < 1) return best;
    const { vectors, dimension } = this;
    for (let row = 0; row < this.ids.length; row++) {
      const id = this.ids[row] ?? -1;
      if (accepts !== undefined && !accepts(id)) continue;
      const start = row * dimension;
      // Four sums at once: a single chain of additions would wait for each one.
      let a = 0;
      let b = 0;
      let c = 0;
      let d = 0;
      let i = 0;
      for (; i + 3 < dimension; i += 4) {
        a += (query[i] ?? 0) * (vectors[start + i] ?? 0);
        b += (query[i + 1] ?? 0) * (vectors[start + i + 1] ?? 0);
        c += (query[i + 2] ?? 0) * (vectors[start + i + 2] ?? 0);
        d += (query[i + 3] ?? 0) * (vectors[start + i + 3] ?? 0);
      }
      for (; i < dimension; i++) a += (query[i] ?? 0) * (vectors[start + i] ?? 0);
      insert(best, { id, score: a + b + c + d }, k);
    }
    return best;
  }
}

/** Order of hits: higher score first, lower id first among equals. */
export function compareHits(a: VectorHit, b: VectorHit): number {
  return b.score - a.score || a.id - b.id;
}

/** Keeps `best` sorted and at most `k` long. */
function insert(best: VectorHit[], hit: VectorHit, k: number): void {
  const worst = best[best.length - 1];
  if (best.length >= k && worst !== undefined && compareHits(worst, hit) <= 0) return;
  let low = 0;
  let high = best.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const there = best[middle];
    if (there !== undefined && compareHits(there, hit) <= 0) low = middle + 1;
    else high = middle;
  }
  best.splice(low, 0, hit);
  if (best.length > k) best.pop();
}

/** @throws RangeError for anything but a positive integer. */
export function checkDimension(dimension: number): void {
  if (!Number.isInteger(dimension) || dimension < 1)
    throw new RangeError(`expected a positive integer as dimension, found ${dimension}`);
}

/** @throws RangeError when `vector` has another length than `dimension`. */
export function checkLength(vector: ArrayLike<number>, dimension: number, what: string): void {
  if (vector.length !== dimension) {
    throw new RangeError(
      `expected ${what} of ${dimension} floats, found ${vector.length}: the model and the index do not belong together`,
    );
  }
}
