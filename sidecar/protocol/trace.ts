// The trace of one completion: fragments, times, confidence, and why decoding ended.

/** A piece of a file as shown to people. Lines are 1-based and inclusive. */
export interface FragmentReference {
  /** Relative to its workspace folder, with `/`. */
  path: string;
  uri: string;
  startLine: number;
  endLine: number;
  /** Inner product with the need, -1..1. */
  score: number;
  /** Tokens that it takes in the prompt. */
  tokens: number;
  /** Signatures of the definitions around it, outermost first; absent at the top level of its file. */
  scope?: readonly string[];
  /** Set where it was ranked by more than its score: how much was added, and why. */
  boost?: { by: number; reason: string };
}

/** A candidate that is not in the prompt, and why. */
export interface DroppedFragment extends FragmentReference {
  reason: string;
}

/** Milliseconds. `totalMs` runs from the request's arrival; the parts need not add up to it exactly. */
export interface CompletionTimings {
  totalMs: number;
  /** Time spent waiting for the next keystroke before any work. */
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
  /** Inner product of that completion's need and this one's, -1..1. */
  similarity: number;
  /** In words. */
  reason: string;
}

export interface Confidence {
  /** Mean log-probability of the suggestion's tokens, natural logarithm. */
  meanLogProbability: number;
  /**
   * Calibrated: the probability that the user goes on to write the suggestion's first line, 0..1; absent where the model
   * package has no calibration, and then no suggestion is suppressed for being unsure.
   */
  probability?: number;
  /** Minimum probability of a suggestion that is shown, by the setting `frequency`; absent where `probability` is. */
  threshold?: number;
}

/** Everything the inspector shows about one completion. */
export interface CompletionTrace {
  /** 1 for the first completion of this sidecar process, then one more for each. */
  id: number;
  uri: string;
  languageId: string;
  /** 0-based line, and character in UTF-16 units, as in LSP. */
  position: { line: number; character: number };
  /** What the editor was given; empty when nothing was suggested. */
  suggestion: string;
  /** Set when nothing was suggested: which filter or rule decided so. */
  suppressed?: string;
  /** Why decoding ended. */
  stopReason: StopReason;
  /** How sure the model is of what it generated; absent where it generated nothing. */
  confidence?: Confidence;
  /** Set when no fragment is in the prompt: why. */
  nothingRetrieved?: string;
  /** The score below which a fragment is not needed at this cursor; absent where nothing was searched. */
  nullScore?: number;
  /** In prompt order. */
  fragments: FragmentReference[];
  dropped: DroppedFragment[];
  /** Set when the fragments, or their absence, come from an earlier completion of this document. */
  reused?: Reuse;
  /** Set when the index was searched for this completion: why. */
  fetched?: string;
  promptTokens: number;
  /** Generated tokens, including those that were cut off and the one that ended decoding. The first comes with the prefill. */
  generatedTokens: number;
  /** Runs of the model after the prefill; fewer than the tokens where drafts were accepted. */
  decodeSteps: number;
  /** Of the request that made the suggestion, also where {@link CompletionTrace.cached} is set. */
  timings: CompletionTimings;
  provider: "cuda" | "cpu";
  /** Set when the answer came from the completion cache, for example because the user typed along the suggestion. */
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
