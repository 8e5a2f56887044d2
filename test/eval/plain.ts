// Completion without the product's additions: greedy decoding of the prompt, for comparison with the training project's harness.
import { assemblePrompt } from "../../sidecar/completion/prompt";
import { mostLikely } from "../../sidecar/completion/generate";
import type { Backbone } from "../../sidecar/inference/backbone";
import type { PromptFormat } from "../../sidecar/inference/prompt-format";
import type { Tokenizer } from "../../sidecar/inference/tokenizer";
import type { CursorContext, SelectedFragment } from "../../sidecar/retrieval/retrieval";

export interface PlainOptions {
  readonly backbone: Backbone;
  readonly promptFormat: PromptFormat;
  readonly tokenizer: Tokenizer;
  readonly maxTokens: number;
  /** Whether the text holds all that is scored. */
  readonly isEnough: (text: string) => boolean;
}

/** The likeliest tokens after the prompt: no token healing, no cache model over the prompt, no stop but the model's own, no filter. */
export async function completePlainly(context: CursorContext, selected: readonly SelectedFragment[], options: PlainOptions): Promise<{ text: string; used: readonly SelectedFragment[] }> {
  const { backbone, promptFormat, tokenizer, maxTokens, isEnough } = options;
  const { tokens, fragments } = assemblePrompt(promptFormat, context, selected, backbone.model.contextLength - maxTokens);
  let { cache, logits } = await backbone.prefill(tokens);
  const stream = tokenizer.stream();
  let text = "";
  for (let count = 0; count < maxTokens; count++) {
    const token = mostLikely(logits.subarray(0, tokenizer.vocabularySize));
    if (promptFormat.stopTokens.has(token)) break;
    text += stream.push(token);
    if (isEnough(text) || count + 1 === maxTokens) break;
    ({ cache, logits } = await backbone.decode(cache, token));
  }
  return { text, used: fragments };
}
