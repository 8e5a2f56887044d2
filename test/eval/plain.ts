// Completion without the product's additions: greedy decoding of the prompt, for comparison with the training project's harness.

import { mostLikely } from "../../sidecar/completion/decoding/greedy";
import { Healing, healPrefix } from "../../sidecar/completion/decoding/token-healing";
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
  /** Whether the text holds all that is scored. */
  readonly isEnough: (text: string) => boolean;
}

/** The likeliest tokens after the prompt, the last one before the cursor healed: no cache model over the prompt, no stop but the model's own, no filter. */
export async function completePlainly(
  context: CursorContext,
  selected: readonly SelectedFragment[],
  options: PlainOptions,
): Promise<{ text: string; used: readonly SelectedFragment[] }> {
  const { backbone, promptFormat, tokenizer, maxTokens, isEnough } = options;
  const { prefix, owed } = healPrefix(tokenizer, context.prefix);
  const healing = new Healing(tokenizer, promptFormat.stopTokens, owed);
  const { tokens, fragments } = assemblePrompt(
    promptFormat,
    { ...context, prefix },
    selected,
    backbone.model.contextLength - maxTokens,
    "nearest",
  );
  let { cache, logits } = await backbone.prefill(tokens);
  const stream = tokenizer.stream();
  let said = "";
  for (let count = 0; count < maxTokens; count++) {
    const known = logits.subarray(0, tokenizer.vocabularySize);
    const token = mostLikely(known, healing.done ? undefined : healing.admits);
    healing.pay(token);
    if (promptFormat.stopTokens.has(token)) break;
    said += stream.push(token);
    if (isEnough(said.slice(owed.length)) || count + 1 === maxTokens) break;
    const decoded = await backbone.decode(cache, [token]);
    ({ cache } = decoded);
    logits = decoded.logits[0] ?? new Float32Array(0);
  }
  return { text: said.slice(owed.length), used: fragments };
}
