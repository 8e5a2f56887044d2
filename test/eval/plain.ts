// Plain completion: greedy decoding of the prompt, for comparison with the training project.

import { argmax } from "../../sidecar/completion/decoding/greedy";
import { healPrefix, RequiredText } from "../../sidecar/completion/decoding/token-healing";
import { assemblePrompt } from "../../sidecar/completion/prompt";
import type { Backbone } from "../../sidecar/inference/backbone";
import type { PromptFormat } from "../../sidecar/inference/prompt-format";
import type { Tokenizer } from "../../sidecar/inference/tokenizer";
import type { CursorContext, SelectedFragment } from "../../sidecar/retrieval/types";

export interface PlainOptions {
  readonly backbone: Backbone;
  readonly promptFormat: PromptFormat;
  readonly tokenizer: Tokenizer;
  readonly maxTokens: number;
  /** Whether the text is long enough to be scored. */
  readonly isEnough: (text: string) => boolean;
}

/** Greedy decoding with token healing, without n-gram lookup, filters and stops other than the model's stop tokens. */
export async function completePlainly(
  context: CursorContext,
  selected: readonly SelectedFragment[],
  options: PlainOptions,
): Promise<{ text: string; used: readonly SelectedFragment[] }> {
  const { backbone, promptFormat, tokenizer, maxTokens, isEnough } = options;
  const { prefix, required: requiredText } = healPrefix(tokenizer, context.prefix);
  const required = new RequiredText(tokenizer, promptFormat.stopTokens, requiredText);
  const { tokens, fragments } = assemblePrompt(
    promptFormat,
    { ...context, prefix },
    selected,
    backbone.model.contextLength - maxTokens,
    "nearest",
  );
  let { cache, logits } = await backbone.prefill(tokens);
  const stream = tokenizer.stream();
  let generated = "";
  for (let count = 0; count < maxTokens; count++) {
    const known = logits.subarray(0, tokenizer.vocabularySize);
    const token = argmax(known, required.done ? undefined : required.allows);
    required.consume(token);
    if (promptFormat.stopTokens.has(token)) break;
    generated += stream.push(token);
    if (isEnough(generated.slice(requiredText.length)) || count + 1 === maxTokens) break;
    const decoded = await backbone.decode(cache, [token]);
    ({ cache } = decoded);
    logits = decoded.logits[0] ?? new Float32Array(0);
  }
  return { text: generated.slice(requiredText.length), used: fragments };
}
