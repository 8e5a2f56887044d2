// The seam between retrieval and the workspace: search what is indexed now, never wait.
import type { ScoredFragment } from "./fragment";

export interface FragmentSource {
  /** Fragments that can be found at this moment. */
  readonly fragmentCount: number;
  /** Another one than before as soon as what can be found has changed. */
  readonly revision: number;
  readonly vectorIndex: { readonly name: "faiss" | "exact"; readonly reason: string };
  /** The `k` fragments of highest inner product with `need`, best first. Synchronous, in memory, never blocked by indexing. */
  search(need: Float32Array, k: number): ScoredFragment[];
}
