// The retrieval query: the model reads the code before the cursor and expresses, as a vector, what information it needs.
import type { Backbone } from "../inference/backbone";
import type { ModelPackage } from "../inference/package/model-package";
import type { PromptFormat } from "../inference/prompt-format";
import type { CursorContext } from "./types";

/**
 * The information need as a unit vector of `retrieval.dimension` floats, read at the last token of the query prompt
 * (L-LoRA, arXiv 2507.19033, query expression).
 * @throws AbortError when `signal` is aborted.
 */
export function expressNeed(
  backbone: Backbone,
  format: PromptFormat,
  context: CursorContext,
  signal?: AbortSignal,
): Promise<Float32Array> {
  return backbone.express(format.query(context.path, context.prefix), signal);
}

/**
 * The score below which a fragment is not needed at this cursor: the model's null score, plus the similarity of the need
 * to the expression of needing nothing where the model has one.
 */
export function nullScoreOf({ nullScore, nullVector = [] }: ModelPackage["retrieval"], need: Float32Array): number {
  return nullScore + similarityOf(nullVector, need);
}

/** Inner product of two expressions; for unit vectors this is their cosine similarity, -1..1. */
export function similarityOf(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += (a[at] ?? 0) * (b[at] ?? 0);
  return sum;
}
