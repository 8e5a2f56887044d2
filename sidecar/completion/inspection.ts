// Looks at completions again: the prompt, what the need looked at, and the same cursor without fragments.
import { abortError } from "../host/errors";
import { type Backbone, mostDecodedTokens } from "../inference/backbone";
import type { ComparedCompletion, Comparison, CompletionTrace, InspectedPrompt, NeedWeights } from "../protocol";
import { Completer, type CompleterOptions } from "./completer";
import type { CompletedCursor } from "./completion-record";
import { logProbability } from "./decoding/greedy";
import { Healing } from "./decoding/token-healing";
import { piecesOf } from "./prompt-pieces";
import { needTokens } from "./query-tokens";

/** Completions held. */
const mostHeld = 20;
/** UTF-16 units of the documents of those held, beside the newest: a document is held as it was at each of them. */
const mostHeldText = 8_000_000;

/**
 * Holds the last completions and looks at them. The model's work is asked for in pieces that a signal cuts short between
 * two of them, and leaves alone what is kept for the next keystroke: its fragments and what was said last.
 */
export class Inspection {
  /** The oldest first. */
  private readonly held = new Map<number, CompletedCursor>();

  /** @param options as of the completer whose completions are looked at */
  constructor(private readonly options: CompleterOptions) {}

  /** Takes a completion in. */
  put(completed: CompletedCursor): void {
    this.held.set(completed.trace.id, completed);
    let text = 0;
    for (const { context } of this.held.values()) text += context.prefix.length + context.suffix.length;
    for (const [oldest, { context }] of this.held) {
      if (this.held.size === 1 || (this.held.size <= mostHeld && text <= mostHeldText)) break;
      this.held.delete(oldest);
      text -= context.prefix.length + context.suffix.length;
    }
  }

  /** The completion of that {@link CompletionTrace.id}; undefined once it is no longer held. */
  get(id: number): CompletedCursor | undefined {
    return this.held.get(id);
  }

  /** The prompt as the model read it. */
  promptOf({ prompt, context }: CompletedCursor): InspectedPrompt {
    const { backbone, tokenizer } = this.options;
    return {
      pieces: piecesOf(backbone.model, tokenizer, prompt, context.path),
      contextLength: backbone.model.contextLength,
    };
  }

  /**
   * What the retrieval attention weighed. The need is read anew from the code before the cursor.
   * @throws AbortError when `signal` is aborted.
   */
  async needOf({ context }: CompletedCursor, signal: AbortSignal): Promise<NeedWeights> {
    const { backbone, promptFormat, tokenizer } = this.options;
    const tokens = promptFormat.query(context.path, context.prefix);
    const layers = await backbone.needWeights(tokens, signal);
    return { tokens: needTokens(tokenizer, tokens, context.prefix), layers: layers.map((weights) => [...weights]) };
  }

  /**
   * Completes the same cursor without fragments, and scores what was written with them in both prompts.
   * @throws AbortError when `signal` is aborted.
   */
  async compare(completed: CompletedCursor, signal: AbortSignal): Promise<Comparison> {
    const { trace, context, settings, invoked, generated, owed, prompt } = completed;
    const alone: CompletedCursor[] = [];
    // Of its own, so that nothing of it is kept: no fragments, no number, no draft.
    const completer = new Completer({
      ...this.options,
      source: () => undefined,
      onCompleted: (made) => void alone.push(made),
    });
    const without = await completer.complete(
      context,
      { ...settings, retrieval: false },
      trace.position,
      signal,
      performance.now(),
      { invoked },
    );
    const [made] = alone;
    if (signal.aborted || made === undefined) throw abortError();
    const gained =
      generated.length === 0
        ? undefined
        : // The prompt with fragments last: it is the one that the next keystroke goes on with.
          -(await this.logProbability(made.prompt.tokens, generated, owed, signal)) +
          (await this.logProbability(prompt.tokens, generated, owed, signal));
    return {
      withFragments: compared(trace),
      withoutFragments: compared(without),
      ...(gained !== undefined && { gained }),
    };
  }

  /**
   * Natural logarithm of the probability that the model goes on with `generated` after `prompt`. Of a token that spells what
   * is owed, among those that could have come in its place.
   */
  private async logProbability(
    prompt: readonly number[],
    generated: readonly number[],
    owed: string,
    signal: AbortSignal,
  ): Promise<number> {
    const { backbone, tokenizer, promptFormat } = this.options;
    const healing = new Healing(tokenizer, promptFormat.stopTokens, owed);
    let sum = 0;
    let at = 0;
    for await (const logits of logitsAlong(backbone, prompt, generated, signal)) {
      const token = generated[at++] ?? -1;
      sum += logProbability(
        logits.subarray(0, tokenizer.vocabularySize),
        token,
        healing.done ? undefined : healing.admits,
      );
      healing.pay(token);
    }
    return sum;
  }
}

function compared({ suggestion, suppressed, confidence }: CompletionTrace): ComparedCompletion {
  return {
    suggestion,
    ...(suppressed !== undefined && { suppressed }),
    ...(confidence !== undefined && { confidence }),
  };
}

/** The logits before each of `tokens`, read after `prompt`. */
async function* logitsAlong(
  backbone: Backbone,
  prompt: readonly number[],
  tokens: readonly number[],
  signal: AbortSignal,
): AsyncGenerator<Float32Array> {
  const first = await backbone.prefill(prompt, { signal });
  let { cache } = first;
  yield first.logits;
  // Nothing comes after the last one.
  for (let at = 0; at < tokens.length - 1; at += mostDecodedTokens) {
    const decoded = await backbone.decode(
      cache,
      tokens.slice(at, Math.min(at + mostDecodedTokens, tokens.length - 1)),
      signal,
    );
    ({ cache } = decoded);
    yield* decoded.logits;
  }
}
