// The vector index alone: time and memory of an exact search by the number of vectors, whose values change neither.
import { createVectorIndex } from "../../../sidecar/workspace/vectors/create-vector-index";
import { loadFaiss } from "../../../sidecar/workspace/vectors/faiss-addon";
import { FaissIndex } from "../../../sidecar/workspace/vectors/faiss-index";
import { FlatIndex } from "../../../sidecar/workspace/vectors/flat-index";
import { quantized } from "../../../sidecar/workspace/vectors/quantized";
import type { VectorIndex } from "../../../sidecar/workspace/vectors/vector-index";
import { randomUnitVector } from "../random";
import { percentiles } from "../statistics";

export const indexKinds = ["chosen", "faiss", "flat"] as const;

export interface SearchOptions {
  readonly dimension: number;
  readonly fragments: number;
  /** "chosen": as the product chooses; "faiss": FAISS at any size, flat where its addon does not load. */
  readonly kind: (typeof indexKinds)[number];
}

export interface SearchResult {
  readonly fragments: number;
  readonly dimension: number;
  /** The index that answered. */
  readonly kind: string;
  /** Milliseconds; of each query the best round counts, because other processes may interfere. */
  readonly p50: number;
  readonly p95: number;
  readonly addMs: number;
  readonly removeMs: number;
  readonly bytesPerFragment: number;
}

const rounds = 5;
const queries = 300;
const searched = 32;

/** Measures one size of one index in this process. */
export async function searchPhase({ dimension, fragments, kind }: SearchOptions): Promise<SearchResult> {
  const memory = (): number => {
    globalThis.gc?.();
    return process.memoryUsage().rss;
  };
  const index = openIndex(dimension, fragments, kind);
  const before = memory();
  const began = performance.now();
  for (let id = 0; id < fragments; id++) index.add(id, quantized(randomUnitVector(dimension, id)));
  while (index.maintain(10));
  const addMs = (performance.now() - began) / fragments;
  const bytesPerFragment = (memory() - before) / fragments;

  const best = Array.from({ length: queries }, () => Infinity);
  for (let round = 0; round < rounds; round++) {
    for (const [at, ms] of best.entries()) {
      const query = randomUnitVector(dimension, fragments + at);
      const start = performance.now();
      index.search(query, Math.min(searched, fragments));
      best[at] = Math.min(ms, performance.now() - start);
    }
  }
  const gone = Array.from({ length: Math.floor(fragments / 10) }, (_, i) => i * 10);
  const removing = performance.now();
  index.remove(gone);
  const removeMs = (performance.now() - removing) / gone.length;
  return { fragments, dimension, kind: index.name, ...percentiles(best), addMs, removeMs, bytesPerFragment };
}

function openIndex(dimension: number, fragments: number, kind: SearchOptions["kind"]): VectorIndex {
  if (kind === "chosen") return createVectorIndex(dimension);
  const loaded = loadFaiss();
  return kind === "flat" || "failure" in loaded
    ? new FlatIndex(dimension, "")
    : new FaissIndex(loaded.addon, dimension, "", fragments);
}
