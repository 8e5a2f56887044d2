// The interface of the decoder with its retrieval projections; implemented with ONNX Runtime.
import type { ModelPackage } from "./package/model-package";

/**
 * Keys and values of the tokens read so far, as a handle: opaque, of the backbone that made it, and used up by the call
 * that takes it ({@link Backbone.decode}, {@link Backbone.rewind}), which gives the next one.
 */
export interface KvCache {
  /** Number of tokens. */
  readonly length: number;
}

export interface PrefillOptions {
  /** Whether the information need at the end of the tokens is wanted too. */
  readonly express?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface PrefillResult {
  readonly cache: KvCache;
  /** Logits after the last token, length = vocabulary size. */
  readonly logits: Float32Array;
  /** The need as {@link Backbone.express} gives it; with {@link PrefillOptions.express} only. */
  readonly need?: Float32Array;
  /** Tokens at the beginning that were read before and not again. */
  readonly reused: number;
}

export interface DecodeResult {
  readonly cache: KvCache;
  /** Logits after each of the tokens read, in their order, length = vocabulary size. */
  readonly logits: readonly Float32Array[];
}

/** Maximum number of tokens of one {@link Backbone.decode}. */
export const maxDecodedTokens = 16;

/** Work for a waiting keystroke goes ahead of work for the index. */
export type Priority = "completion" | "index";

export interface Provider {
  readonly name: "cuda" | "cpu";
  /** Why this one, in words, e.g. "auto: no CUDA library found (libonnxruntime_providers_cuda.so)". */
  readonly reason: string;
}

/**
 * A decoder with L-LoRA retrieval projections.
 * Every method rejects with an `AbortError` when its signal is aborted, at the latest between two tokens or two batches.
 */
export interface Backbone {
  readonly model: ModelPackage;
  readonly provider: Provider;
  /**
   * Reads `tokens` (1..contextLength of them) and returns the cache and the next token's logits. The longest beginning
   * that was read before, exact to the token, is not read again.
   */
  prefill(tokens: readonly number[], options?: PrefillOptions): Promise<PrefillResult>;
  /** Reads 1..{@link maxDecodedTokens} more tokens after `cache`, which is used up. A refused or aborted call uses nothing up. */
  decode(cache: KvCache, tokens: readonly number[], signal?: AbortSignal): Promise<DecodeResult>;
  /** Forgets the tokens behind the first `length` (1..cache.length) of `cache`, which is used up. */
  rewind(cache: KvCache, length: number): KvCache;
  /** The information need at the end of `tokens` (query adapter): unit vector of `retrieval.dimension` floats. Reuses as {@link prefill} does. */
  express(tokens: readonly number[], signal?: AbortSignal): Promise<Float32Array>;
  /**
   * The retrieval attention of the last token when it expresses the need at the end of `tokens`: for each layer a weight for
   * each token, the mean over the heads, which add up to 1. Reads all tokens in one run that nothing interrupts.
   */
  needWeights(tokens: readonly number[], signal?: AbortSignal): Promise<readonly Float32Array[]>;
  /** Fragment expressions (fragment adapter), one unit vector for each token list, in order. Runs in small batches that let completions through. */
  embed(fragments: readonly (readonly number[])[], signal?: AbortSignal): Promise<Float32Array[]>;
  /** Waits for what runs; what waits and all later calls reject. */
  dispose(): Promise<void>;
}
