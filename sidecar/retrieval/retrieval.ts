// What retrieval takes and gives: the cursor's surroundings in, chosen fragments and the reasons out.
import type { DroppedFragment, FragmentReference } from "../protocol";
import type { Fragment, ScoredFragment } from "../workspace/fragment";

/** The document as the model sees it. */
export interface CursorContext {
  readonly uri: string;
  /** Relative to the workspace folder, with `/`; the file's name where there is no folder. */
  readonly path: string;
  readonly languageId: string;
  /** Everything before the cursor. */
  readonly prefix: string;
  /** Everything after it. */
  readonly suffix: string;
}

export interface SelectedFragment {
  readonly fragment: Fragment;
  readonly reference: FragmentReference;
  /** The fragment in the model's own format, ready for the prompt. */
  readonly tokens: readonly number[];
}

export interface Retrieval {
  /** Best first. */
  readonly selected: readonly SelectedFragment[];
  /** Best first. */
  readonly dropped: readonly DroppedFragment[];
  /** What the search found, best first. */
  readonly found: readonly ScoredFragment[];
  /** Set when nothing was selected: why. */
  readonly nothing?: string;
  /** Milliseconds. */
  readonly timings: { readonly expressMs: number; readonly searchMs: number; readonly selectMs: number };
}

export interface RetrievalLimits {
  /** Most fragments. */
  readonly maxFragments: number;
  /** Most tokens of fragments, format included. */
  readonly fragmentBudget: number;
}
