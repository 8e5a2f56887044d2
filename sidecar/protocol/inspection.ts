// What the inspector asks of the sidecar: a completion by its id, its prompt, need and comparison, and a search by code.

import type { Confidence, FragmentReference } from "./trace";

export interface TraceParams {
  /** {@link CompletionTrace.id}; left out: the last one. */
  id?: number;
}

/** `special` are the model's own marks; `path` and `fragment` belong to a fragment, `prefix` and `suffix` stand around the cursor. */
export type PromptPieceKind = "special" | "path" | "fragment" | "prefix" | "suffix";

/** A run of tokens of a prompt, in prompt order. */
export interface PromptPiece {
  kind: PromptPieceKind;
  text: string;
  tokens: number;
  /** Of a fragment: its place in {@link CompletionTrace.fragments}. */
  fragment?: number;
}

/** A prompt as the model read it. */
export interface InspectedPrompt {
  /** In prompt order; their tokens add up to {@link CompletionTrace.promptTokens}. */
  pieces: PromptPiece[];
  /** Most tokens that the model can read. */
  contextLength: number;
}

/** One token of the code that the need was read from. */
export interface NeedToken {
  text: string;
  /** Where it begins in the document, as in LSP; absent for what is no code of the document, such as marks and the path. */
  position?: { line: number; character: number };
}

/** What the retrieval attention weighed as it expressed the need. */
export interface NeedWeights {
  tokens: NeedToken[];
  /** For each layer a weight for each token, the mean over the heads; a layer's weights add up to 1. */
  layers: number[][];
}

/** One side of a {@link Comparison}. */
export interface ComparedCompletion {
  /** Empty when nothing would be suggested. */
  suggestion: string;
  /** Set when nothing would be suggested: why. */
  suppressed?: string;
  confidence?: Confidence;
}

/** The same cursor with and without the fragments. */
export interface Comparison {
  withFragments: ComparedCompletion;
  withoutFragments: ComparedCompletion;
  /**
   * Log-probability of what was written with the fragments, in the prompt with them less in the prompt without them,
   * natural logarithm, over all its tokens; absent where nothing was written.
   */
  gained?: number;
}

/** Code to search the index for. */
export interface SearchParams {
  /** Code, as if a cursor stood at its end. */
  text: string;
  /** Document that it is as if written in; left out: none. */
  uri?: string;
  /** Most fragments; default 20. */
  limit?: number;
}

export interface SearchResult {
  /** Best first. */
  fragments: FragmentReference[];
  /** The score below which a fragment would not be needed. */
  nullScore: number;
}
