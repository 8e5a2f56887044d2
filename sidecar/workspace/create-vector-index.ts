// Chooses the vector index: FAISS where its addon loads, the exact scan elsewhere, clusters where there are many vectors, and says why.
import { ClusteredIndex } from "./clustered-index";
import { ExactIndex } from "./exact-index";
import { FaissIndex, loadFaiss } from "./faiss-index";
import { GrowingIndex } from "./growing-index";
import type { VectorIndex } from "./vector-index";

/**
 * Vectors up to which an exact index answers: what it scans within about a millisecond and a half at a dimension of 256
 * (`npm run bench -- index --only search`).
 */
const mostExact = { faiss: 8192, exact: 2048 } as const;

/**
 * An empty index for vectors of `dimension` floats.
 * @param options.preferred "exact" for the plain scan, whatever the number of vectors; default: chosen
 * @param options.guardFile see {@link loadFaiss}
 */
export function createVectorIndex(
  dimension: number,
  { preferred = "faiss", guardFile }: { preferred?: "faiss" | "exact"; guardFile?: string } = {},
): VectorIndex {
  if (preferred === "exact") return new ExactIndex(dimension, "asked for");
  const loaded = loadFaiss(guardFile);
  const most = "addon" in loaded ? mostExact.faiss : mostExact.exact;
  const without = "addon" in loaded ? "" : `; faiss-node's addon did not load (${loaded.failure})`;
  const exact = (): VectorIndex =>
    "addon" in loaded
      ? new FaissIndex(loaded.addon, dimension, "faiss-node's addon loaded")
      : new ExactIndex(
          dimension,
          `faiss-node's addon did not load (${loaded.failure}); same results, searched in TypeScript`,
        );
  return new GrowingIndex(
    exact,
    new ClusteredIndex(dimension, `more than ${most} fragments: the nearest clusters are searched${without}`),
    most,
  );
}
