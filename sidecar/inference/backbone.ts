// The interface of the decoder with its retrieval projections; implemented with ONNX Runtime.
import type { ModelPackage } from "./package/model-package";

/**
 * An opaque handle of the KV cache of the tokens read so far. It belongs to one backbone, and is consumed by the call
 * that takes it ({@link Backbone.decode}, {@link Backbone.rewind}), which returns a new one.
 */
export interface KvCache {
  /** Number of tokens. */
  readonly length: number;
}

export interface PrefillOptions {
  /** Whether to compute the information need at the end of the tokens too. */
  readonly express?: boolean;
  readonly signal?: AbortSignal | undefined;
}

export interface PrefillResult {
  readonly cache: KvCache;
  /** Logits after the last token, length = vocabulary size. */
  readonly logits: Float32Array;
  /** The need as of {@link Backbone.express}; only with {@link PrefillOptions.express}. */
  readonly need?: Float32Array;
  /** Number of tokens that came from the KV cache. */
  readonly reused: number;
}

export interface DecodeResult {
  readonly cache: KvCache;
  /** Logits after each of the new tokens in order, length = vocabulary size. */
  readonly logits: readonly Float32Array[];
}

/** Maximum number of tokens of one {@link Backbone.decode}. */
export const maxDecodedTokens = 16;

/** Work for a completion runs before work for the index. */
export type Priority = "completion" | "index";

export interface Provider {
  readonly name: "cuda" | "cpu";
  /** The reason for this provider, e.g. "auto: no CUDA library found (libonnxruntime_providers_cuda.so)". */
  readonly reason: string;
}

/**
 * A decoder with L-LoRA retrieval projections.
 * Every method rejects with an `AbortError` when its signal is aborted, at the latest after the current token or batch.
 */
export interface Backbone {
  readonly model: ModelPackage;
  readonly provider: Provider;
  /**
   * Reads `tokens` (1..contextLength of them) and returns the cache and the next token's logits. The longest prefix
   * in the KV cache is not read again.
   */
  prefill(tokens: readonly number[], options?: PrefillOptions): Promise<PrefillResult>;
  /** Reads 1..{@link maxDecodedTokens} more tokens after `cache` and consumes it, unless the call is refused or aborted. */
  decode(cache: KvCache, tokens: readonly number[], signal?: AbortSignal): Promise<DecodeResult>;
  /** Drops all but the first `length` (1..cache.length) tokens of `cache` and consumes it. */
  rewind(cache: KvCache, length: number): KvCache;
  /** The information need after `tokens` (query adapter): a unit vector of `retrieval.dimension` floats. Uses the KV cache. */
  express(tokens: readonly number[], signal?: AbortSignal): Promise<Float32Array>;
  /**
   * The retrieval attention of the last token when it computes the need at the end of `tokens`: for each layer a weight for
   * each token, the mean over the heads, which add up to 1. Reads all tokens in one run that cannot be interrupted.
   */
  needWeights(tokens: readonly number[], signal?: AbortSignal): Promise<readonly Float32Array[]>;
  /** Fragment expressions (fragment adapter), one unit vector per token list, in order. Completions run between the batches. */
  embed(fragments: readonly (readonly number[])[], signal?: AbortSignal): Promise<Float32Array[]>;
  /** Waits for the current job; waiting jobs and all later calls reject. */
  dispose(): Promise<void>;
}
