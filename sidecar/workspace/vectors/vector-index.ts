// The seam for maximum inner product search over the vectors of fragments.
import type { VectorIndexName } from "../../protocol";
import type { Quantized } from "./quantized";

export interface VectorHit {
  readonly id: number;
  /** Inner product. */
  readonly score: number;
}

/** Whether a vector may be a hit; the others are searched as if they were not there. */
export type Accepts = (id: number) => boolean;

/**
 * Vectors by the caller's ids (non-negative integers, each used once). All implementations give the same hits, except for
 * the last digits of scores: highest inner product first, lower id first among equals.
 */
export interface VectorIndex {
  readonly name: VectorIndexName;
  /** Why this implementation answers, in words. */
  readonly reason: string;
  readonly dimension: number;
  readonly size: number;
  /** @throws RangeError when a vector has another length than `dimension`, or the id is taken. */
  add(id: number, vector: Quantized): void;
  /** Ids that are not present are ignored. */
  remove(ids: readonly number[]): void;
  /** Does deferred work for about so many milliseconds. @returns whether some of it is left */
  maintain(milliseconds: number): boolean;
  /** The `k` best accepted vectors, or fewer when there are not as many. @throws RangeError on a wrong query length */
  search(query: Float32Array, k: number, accepts?: Accepts): VectorHit[];
}

/** Order of hits: higher score first, lower id first among equals. */
export function compareHits(a: VectorHit, b: VectorHit): number {
  return b.score - a.score || a.id - b.id;
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
      `expected ${what} of ${dimension} floats, found ${vector.length}: the model and the index do not match`,
    );
  }
}
