// The seam for maximum inner product search over fragment expressions.

export interface VectorHit {
  readonly id: number;
  /** Inner product. */
  readonly score: number;
}

/**
 * Vectors under ids of the caller's (non-negative integers, each used once). Same hits whatever the implementation:
 * highest inner product first, lower id first among equals.
 */
export interface VectorIndex {
  readonly name: "faiss" | "exact";
  /** Why this implementation answers, in words. */
  readonly reason: string;
  readonly dimension: number;
  readonly size: number;
  /** @throws RangeError when a vector has another length than `dimension`, or the id is taken. */
  add(id: number, vector: Float32Array): void;
  /** Ids not present are passed over. */
  remove(ids: readonly number[]): void;
  /** The `k` best, fewer where there are fewer. @throws RangeError on a wrong query length. */
  search(query: Float32Array, k: number): VectorHit[];
}
