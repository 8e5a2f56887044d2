// The seam for maximum inner product search over fragment expressions.

import type { VectorIndexName } from "../../protocol";
import type { Quantized } from "./quantized";

export interface VectorHit {
  readonly id: number;
  /** Inner product. */
  readonly score: number;
}

/** Whether a vector counts; for the others the search goes on as if they were not there. */
export type Accepts = (id: number) => boolean;

/**
 * Vectors under ids of the caller's (non-negative integers, each used once). Same hits whatever the implementation, but
 * for the last digits of scores: highest inner product first, lower id first among equals.
 */
export interface VectorIndex {
  readonly name: VectorIndexName;
  /** Why this implementation answers, in words. */
  readonly reason: string;
  readonly dimension: number;
  readonly size: number;
  /** @throws RangeError when a vector has another length than `dimension`, or the id is taken. */
  add(id: number, vector: Quantized): void;
  /** Ids not present are passed over. */
  remove(ids: readonly number[]): void;
  /** Does for about so many milliseconds what was put off to idle moments. @returns whether some of it is left */
  settle(milliseconds: number): boolean;
  /** The `k` best that count, fewer where there are fewer. @throws RangeError on a wrong query length. */
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
      `expected ${what} of ${dimension} floats, found ${vector.length}: the model and the index do not belong together`,
    );
  }
}
