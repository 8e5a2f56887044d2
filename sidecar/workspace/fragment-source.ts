// The seam between retrieval and the workspace: search what is indexed now, never wait.
import type { Fragment, ScoredFragment } from "./fragment";
import type { VectorIndex } from "./vectors/vector-index";

export interface FragmentSource {
  /** Fragments that can be found at this moment. */
  readonly fragmentCount: number;
  /** Another one than before as soon as what can be found has changed. */
  readonly revision: number;
  readonly vectorIndex: Pick<VectorIndex, "name" | "reason">;
  /**
   * The `k` fragments of highest inner product with `need`, of those that count, best first. Synchronous, in memory, never
   * blocked by indexing.
   */
  search(need: Float32Array, k: number, counts?: (fragment: Fragment) => boolean): ScoredFragment[];
}
