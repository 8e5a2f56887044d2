// Maximum inner product search by scanning every vector.
import type { Quantized } from "./quantized";
import { blockRows, QuantizedMatrix } from "./quantized-matrix";
import {
  type Accepts,
  checkDimension,
  checkLength,
  compareHits,
  type VectorHit,
  type VectorIndex,
} from "./vector-index";

/** Candidates beyond `k` whose products are computed again without rounding the query. */
const slack = 24;

/** Rows have no gaps: the last row takes the place of a removed one. */
export class FlatIndex implements VectorIndex {
  readonly name = "flat";
  private readonly matrix: QuantizedMatrix;
  /** Id of every row. */
  private readonly ids: number[] = [];
  private readonly rows = new Map<number, number>();
  private readonly products = new Float64Array(blockRows);

  constructor(
    readonly dimension: number,
    readonly reason: string,
  ) {
    checkDimension(dimension);
    this.matrix = new QuantizedMatrix(dimension);
  }

  get size(): number {
    return this.ids.length;
  }

  add(id: number, vector: Quantized): void {
    checkLength(vector.values, this.dimension, "a vector");
    if (this.rows.has(id))
      throw new RangeError(`expected an id that is not in the index, found ${id}: remove it first`);
    const row = this.ids.length;
    this.matrix.write(row, vector);
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
        this.matrix.copy(last, row);
        this.ids[row] = moved;
        this.rows.set(moved, row);
      }
      this.ids.pop();
      this.rows.delete(id);
    }
  }

  /** The floats of a vector; undefined for an id that is not in the index. */
  vector(id: number): Float32Array | undefined {
    const row = this.rows.get(id);
    return row === undefined ? undefined : this.matrix.read(row);
  }

  maintain(): boolean {
    return false;
  }

  search(query: Float32Array, k: number, accepts?: Accepts): VectorHit[] {
    checkLength(query, this.dimension, "a query");
    const wanted = Math.floor(k);
    if (wanted < 1) return [];
    this.matrix.setQuery(query);
    const candidates = this.candidates(wanted + slack, accepts);
    return this.best(
      query,
      candidates.map(({ id }) => id),
      wanted,
    );
  }

  /** The `k` best of these ids, which must be in the index, by their products with the exact query. */
  best(query: Float32Array, ids: readonly number[], k: number): VectorHit[] {
    return ids
      .map((id): VectorHit => ({ id, score: this.matrix.product(query, this.rows.get(id) ?? 0) }))
      .sort(compareHits)
      .slice(0, k);
  }

  /** The best by their products with the rounded query, in order. */
  private candidates(count: number, accepts: Accepts | undefined): VectorHit[] {
    const { ids, products } = this;
    const best: VectorHit[] = [];
    let minScore = -Infinity;
    for (let first = 0; first < ids.length; first += blockRows) {
      const rows = Math.min(blockRows, ids.length - first);
      this.matrix.products(first, rows, products);
      for (let row = 0; row < rows; row++) {
        const score = products[row] ?? 0;
        if (score < minScore) continue;
        const id = ids[first + row] ?? -1;
        if (accepts !== undefined && !accepts(id)) continue;
        insert(best, { id, score }, count);
        if (best.length === count) minScore = best.at(-1)?.score ?? -Infinity;
      }
    }
    return best;
  }
}

/** Inserts a hit in its place; `best` stays sorted, with at most `count` hits. */
function insert(best: VectorHit[], hit: VectorHit, count: number): void {
  let low = 0;
  let high = best.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const there = best[middle];
    if (there !== undefined && compareHits(there, hit) <= 0) low = middle + 1;
    else high = middle;
  }
  best.splice(low, 0, hit);
  if (best.length > count) best.pop();
}
