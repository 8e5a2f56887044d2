// What is known of one completion: fragments, times, confidence, and where it ended.

/** A piece of a file as shown to people. Lines are 1-based and inclusive. */
export interface FragmentReference {
  /** Relative to its workspace folder, with `/`. */
  path: string;
  uri: string;
  startLine: number;
  endLine: number;
  /** Inner product with the need, -1..1. */
  score: number;
  /** Tokens it costs in the prompt. */
  tokens: number;
  /** Signatures of the definitions that it is inside of, outermost first; absent at the top level of its file. */
  scope?: readonly string[];
  /** Set where more than the score gave it its rank: what, in words, and how much was added to the score. */
  boost?: { by: number; reason: string };
}

/** A candidate that did not go into the prompt, and why. */
export interface DroppedFragment extends FragmentReference {
  reason: string;
}

/** Milliseconds. `totalMs` runs from the request's arrival; the parts need not add up to it exactly. */
export interface CompletionTimings {
  totalMs: number;
  /** Waited for the next keystroke before anything was done. */
  waitMs: number;
  expressMs: number;
  searchMs: number;
  selectMs: number;
  prefillMs: number;
  decodeMs: number;
  filterMs: number;
}

/** Fragments of an earlier completion that stayed in the prompt. */
export interface Reuse {
  /** {@link CompletionTrace.id} of the completion that fetched them. */
  since: number;
  /** Inner product of the need then and now, -1..1. */
  similarity: number;
  /** In words. */
  reason: string;
}

export interface Confidence {
  /** Mean log-probability of the suggestion's tokens, natural logarithm. */
  meanLogProbability: number;
  /**
   * Calibrated: how likely the suggestion's first line is what the user goes on to write, 0..1; absent where the model
   * package states no calibration, and then nothing is held back for being unsure.
   */
  probability?: number;
  /** Least probability that is shown, by the setting `frequency`; absent as `probability`. */
  threshold?: number;
}

/** Everything the inspector shows about one completion. */
export interface CompletionTrace {
  /** Rises by one with every completion of this sidecar process. */
  id: number;
  uri: string;
  languageId: string;
  /** 0-based line, and character in UTF-16 units, as in LSP. */
  position: { line: number; character: number };
  /** What the editor was given; empty when nothing was suggested. */
  suggestion: string;
  /** Set when nothing was suggested: which filter or rule said so, in words. */
  suppressed?: string;
  /** Why decoding ended. */
  stopReason: StopReason;
  /** How sure the model is of what it wrote; absent where it wrote nothing. */
  confidence?: Confidence;
  /** Set when no fragment is in the prompt: why. */
  nothingRetrieved?: string;
  /** The score below which a fragment is not needed at this cursor; absent where nothing was searched. */
  nullScore?: number;
  /** In prompt order. */
  fragments: FragmentReference[];
  dropped: DroppedFragment[];
  /** Set when the fragments, or that there are none, come from an earlier completion of this document. */
  reused?: Reuse;
  /** Set when they were searched for this completion: why, in words. */
  fetched?: string;
  promptTokens: number;
  /** Tokens of the suggestion, cut-off ones and the one that ended it included. The first comes with reading the prompt. */
  generatedTokens: number;
  /** Runs of the model after the prompt was read; fewer than the tokens where drafts from the prompt proved right. */
  decodeSteps: number;
  /** Of the request that made the suggestion, also where {@link CompletionTrace.cached} is set. */
  timings: CompletionTimings;
  provider: "cuda" | "cpu";
  /** Set when the answer came from the completion cache, e.g. because the user typed along the suggestion. */
  cached?: boolean;
}

export type StopReason =
  | "end-of-text"
  | "end-of-statement"
  | "end-of-block"
  | "repetition"
  | "token-limit"
  | "cancelled"
  | "not-started";
