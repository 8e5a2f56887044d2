// The seam between the rooms and the decoder that runs: one interface, implemented over ONNX Runtime.
import type { ModelPackage } from "./model-package";

/** Keys and values of the tokens read so far. Opaque; belongs to the backbone that made it. Never reused after {@link Backbone.decode}. */
export interface KvCache {
  /** Tokens held. */
  readonly length: number;
}

export interface PrefillResult {
  readonly cache: KvCache;
  /** Logits after the last token, length = vocabulary size. */
  readonly logits: Float32Array;
}

export interface DecodeResult {
  readonly cache: KvCache;
  readonly logits: Float32Array;
}

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
  /** Reads `tokens` (1..contextLength of them) and returns the cache and the next token's logits. */
  prefill(tokens: readonly number[], signal?: AbortSignal): Promise<PrefillResult>;
  /** Reads one more token after `cache`, which is used up. */
  decode(cache: KvCache, token: number, signal?: AbortSignal): Promise<DecodeResult>;
  /** The information need at the end of `tokens` (query adapter): unit vector of `retrieval.dimension` floats. */
  express(tokens: readonly number[], signal?: AbortSignal): Promise<Float32Array>;
  /** Fragment expressions (fragment adapter), one unit vector for each token list, in order. Runs in small batches that let completions through. */
  embed(fragments: readonly (readonly number[])[], signal?: AbortSignal): Promise<Float32Array[]>;
  /** Waits for what runs; what waits and all later calls reject. */
  dispose(): Promise<void>;
}
