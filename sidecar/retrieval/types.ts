// The data that retrieval takes and gives: the text around the cursor in, selected fragments and reasons out.
import type { DroppedFragment, FragmentReference, Settings } from "../protocol";
import type { Fragment, ScoredFragment } from "../workspace/fragment";

/** A document, split at the cursor. */
export interface CursorContext {
  readonly uri: string;
  /** Of the notebook that the document is a cell of. */
  readonly notebookUri?: string;
  /** Relative to the workspace folder, with `/`; the file's name where there is no folder. */
  readonly path: string;
  readonly languageId: string;
  /** Everything before the cursor, with `\n` as the only line break. */
  readonly prefix: string;
  /** Everything after the cursor, with `\n` as the only line break. */
  readonly suffix: string;
}

/** What is added to a fragment's score to give its rank, and why, in words. */
export type Boost = NonNullable<FragmentReference["boost"]>;

export interface RankedFragment extends ScoredFragment {
  readonly boost?: Boost;
}

export interface SelectedFragment {
  readonly fragment: Fragment;
  readonly reference: FragmentReference;
  /** The fragment in the model's own format, ready for the prompt. */
  readonly tokens: readonly number[];
}

/** The fragments for a prompt, and why the others are not in it. */
export interface FragmentSelection {
  /** Best first. */
  readonly selected: readonly SelectedFragment[];
  /** Best first. */
  readonly dropped: readonly DroppedFragment[];
  /** The score below which a fragment is not needed; absent where nothing was searched. */
  readonly nullScore?: number | undefined;
  /** Why nothing was selected; absent where something was. */
  readonly nothing?: string | undefined;
}

export interface Retrieval extends FragmentSelection {
  /** What the search found, best first. */
  readonly found: readonly RankedFragment[];
  /** Milliseconds. */
  readonly timings: { readonly expressMs: number; readonly searchMs: number; readonly selectMs: number };
}

/** The user's settings for the fragments of a prompt. */
export type RetrievalLimits = Pick<Settings, "maxFragments" | "fragmentBudget"> &
  Partial<Readonly<Record<"pinnedFiles" | "bannedFiles", readonly string[] | undefined>>>;
