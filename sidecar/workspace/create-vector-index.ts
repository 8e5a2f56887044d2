// Chooses the vector index: FAISS where its addon loads, the exact scan elsewhere, and says why.
import { ExactIndex } from "./exact-index";
import { FaissIndex, loadFaiss } from "./faiss-index";
import type { VectorIndex } from "./vector-index";

/**
 * An empty index for vectors of `dimension` floats.
 * @param options.preferred which to take where both are possible; default FAISS
 * @param options.guardFile see {@link loadFaiss}
 */
export function createVectorIndex(dimension: number, { preferred = "faiss", guardFile }: { preferred?: "faiss" | "exact"; guardFile?: string } = {}): VectorIndex {
  if (preferred === "exact") return new ExactIndex(dimension, "asked for");
  const result = loadFaiss(guardFile);
  if ("addon" in result) return new FaissIndex(result.addon, dimension, "faiss-node's addon loaded");
  return new ExactIndex(dimension, `faiss-node's addon did not load (${result.failure}); same results, searched in TypeScript`);
}
