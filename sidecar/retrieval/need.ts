// The information need at the cursor: the model reads the code before it and says, as a vector, what it lacks.
import type { Backbone } from "../inference/backbone";
import type { PromptFormat } from "../inference/prompt-format";
import type { CursorContext } from "./retrieval";

/**
 * The need as a unit vector of `retrieval.dimension` floats, read at the last token of the query prompt (L-LoRA, arXiv
 * 2507.19033, query expression).
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
