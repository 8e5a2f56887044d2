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

/** How much is added to a fragment's score to give its rank, and why, in words. */
export type Raise = NonNullable<FragmentReference["raised"]>;

export interface RankedFragment extends ScoredFragment {
  readonly raised?: Raise;
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
  readonly found: readonly RankedFragment[];
  /** The score below which a fragment is not needed; absent where nothing was searched. */
  readonly nullScore?: number;
  /** Set when nothing was selected: why. */
  readonly nothing?: string;
  /** Milliseconds. */
  readonly timings: { readonly expressMs: number; readonly searchMs: number; readonly selectMs: number };
}

/** What the user wants of the prompt. */
export interface RetrievalLimits {
  /** Most fragments. */
  readonly maxFragments: number;
  /** Most tokens of fragments, format included. */
  readonly fragmentBudget: number;
  /** Patterns of files whose fragments are taken before all others that are needed. */
  readonly pinnedFiles?: readonly string[] | undefined;
  /** Patterns of files whose fragments are never taken. */
  readonly bannedFiles?: readonly string[] | undefined;
}
