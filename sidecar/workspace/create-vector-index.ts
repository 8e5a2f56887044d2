// Chooses the vector index: FAISS where its addon loads, the exact scan elsewhere, clusters where there are many vectors, and says why.
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ClusteredIndex } from "./clustered-index";
import { ExactIndex } from "./exact-index";
import { loadFaiss } from "./faiss-addon";
import { FaissIndex } from "./faiss-index";
import { GrowingIndex } from "./growing-index";
import type { VectorIndex } from "./vector-index";

/**
 * Vectors up to which an exact index answers: what it scans within about a millisecond and a half at a dimension of 256
 * (`npm run bench -- index --only search`).
 */
const mostExact = { faiss: 8192, exact: 2048 } as const;

/**
 * An empty index for vectors of `dimension` floats.
 * @param options.folder for FAISS's trial, see {@link loadFaiss}, and for the files that are handed to it; default: no guard
 *   file, and the system's folder for temporary files
 * @param options.preferred "exact" for the plain scan, whatever the number of vectors; default: chosen
 */
export function createVectorIndex(
  dimension: number,
  { preferred = "faiss", folder }: { preferred?: "faiss" | "exact"; folder?: string } = {},
): VectorIndex {
  if (preferred === "exact") return new ExactIndex(dimension, "asked for");
  const loaded = loadFaiss(folder === undefined ? undefined : join(folder, "faiss-trial"));
  const most = "addon" in loaded ? mostExact.faiss : mostExact.exact;
  const without = "addon" in loaded ? "" : `; faiss-node's addon did not load (${loaded.failure})`;
  const exact = (): VectorIndex =>
    "addon" in loaded
      ? new FaissIndex(loaded.addon, dimension, "faiss-node's addon loaded", folder ?? tmpdir())
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
