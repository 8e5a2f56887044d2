// The seam between retrieval and the workspace: search what is indexed now, never wait.
import type { Fragment, ScoredFragment } from "./fragment";
import type { VectorIndex } from "./vectors/vector-index";

export interface FragmentSource {
  /** Fragments that can be found at this moment. */
  readonly fragmentCount: number;
  /** Changes whenever what can be found changes. */
  readonly revision: number;
  readonly vectorIndex: Pick<VectorIndex, "name" | "reason">;
  /**
   * The `k` accepted fragments with the highest inner product with `query`, best first. Synchronous, in memory, never
   * blocked by indexing.
   * @throws RangeError when `query` has another length than the model's vectors
   */
  search(query: Float32Array, k: number, accepts?: (fragment: Fragment) => boolean): ScoredFragment[];
}
