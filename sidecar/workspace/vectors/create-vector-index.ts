// Chooses the vector index: FAISS where its addon loads, the flat index elsewhere, and says why.
import { join } from "node:path";
import { loadFaiss } from "./faiss-addon";
import { FaissIndex } from "./faiss-index";
import { FlatIndex } from "./flat-index";
import type { VectorIndex } from "./vector-index";

/**
 * An empty index for vectors of `dimension` floats.
 * @param options.folder for the guard file of {@link loadFaiss}; default: no guard file
 * @param options.preferred "flat" for the flat index, whether FAISS loads or not
 */
export function createVectorIndex(
  dimension: number,
  { preferred = "faiss", folder }: { preferred?: "faiss" | "flat"; folder?: string } = {},
): VectorIndex {
  if (preferred === "flat") return new FlatIndex(dimension, "chosen by an option");
  const loaded = loadFaiss(folder === undefined ? undefined : join(folder, "faiss-trial"));
  return "addon" in loaded
    ? new FaissIndex(loaded.addon, dimension, "faiss-node's addon loaded")
    : new FlatIndex(dimension, `faiss-node's addon did not load (${loaded.failure}); same results without it`);
}
