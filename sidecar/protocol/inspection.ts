// Requests about one completion: its prompt, its need, a comparison without fragments; and a search by code.
import type { Confidence, FragmentReference } from "./trace";

export interface TraceParams {
  /** {@link CompletionTrace.id}; absent: the last one. */
  id?: number;
}

/** `special`: the model's special tokens; `path` and `fragment`: of a fragment; `prefix` and `suffix`: around the cursor. */
export type PromptPieceKind = "special" | "path" | "fragment" | "prefix" | "suffix";

/** A run of tokens of a prompt, in prompt order. */
export interface PromptPiece {
  kind: PromptPieceKind;
  text: string;
  tokens: number;
  /** Of a fragment: its index in {@link CompletionTrace.fragments}. */
  fragment?: number;
}

/** A prompt as the model read it. */
export interface InspectedPrompt {
  /** In prompt order; their tokens add up to {@link CompletionTrace.promptTokens}. */
  pieces: PromptPiece[];
  /** Maximum number of tokens that the model can read. */
  contextLength: number;
}

/** One token of the code that the need was read from. */
export interface NeedToken {
  text: string;
  /** Its start in the document, as in LSP; absent for special tokens and for the path. */
  position?: { line: number; character: number };
}

/** Weights of the retrieval attention that the need was read from. */
export interface NeedWeights {
  tokens: NeedToken[];
  /** One weight for each layer and token, the mean over the heads; a layer's weights add up to 1. */
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
   * Log-probability of what was generated with the fragments: with them in the prompt, minus without them. Natural
   * logarithm, summed over its tokens; absent where nothing was generated.
   */
  gained?: number;
}

/** Code to search the index for. */
export interface SearchParams {
  /** Code, with the cursor at its end. */
  text: string;
  /** The document that the code is taken to be in; absent: none. */
  uri?: string;
  /** Maximum number of fragments; default 20. */
  limit?: number;
}

export interface SearchResult {
  /** Best first. */
  fragments: FragmentReference[];
  /** The score below which a fragment would not be needed. */
  nullScore: number;
}
