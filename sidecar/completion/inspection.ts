// Inspects past completions: the prompt, what the need attended to, and the same completion without fragments.
import { abortError } from "../host/errors";
import { type Backbone, maxDecodedTokens } from "../inference/backbone";
import type { ComparedCompletion, Comparison, CompletionTrace, InspectedPrompt, NeedWeights } from "../protocol";
import { Completer, type CompleterOptions } from "./completer";
import type { CompletionRecord } from "./completion-record";
import { logProbability } from "./decoding/greedy";
import { RequiredText } from "./decoding/token-healing";
import { piecesOf } from "./prompt-pieces";
import { needTokens } from "./query-tokens";

/** Maximum number of completions that are remembered. */
const maxRecords = 20;
/** Maximum UTF-16 units of their documents, the newest one's aside: each record holds its document as it was. */
const maxText = 8_000_000;

/**
 * Remembers the last completions and inspects them. A signal stops its work between two runs of the model. It changes nothing
 * that the next keystroke uses: neither the fragments nor the last suggestion.
 */
export class Inspection {
  /** The oldest first. */
  private readonly records = new Map<number, CompletionRecord>();

  /** @param options of the completer whose completions are inspected */
  constructor(private readonly options: CompleterOptions) {}

  /** Adds a completion. */
  put(completed: CompletionRecord): void {
    this.records.set(completed.trace.id, completed);
    let text = 0;
    for (const { context } of this.records.values()) text += context.prefix.length + context.suffix.length;
    for (const [oldest, { context }] of this.records) {
      if (this.records.size === 1 || (this.records.size <= maxRecords && text <= maxText)) break;
      this.records.delete(oldest);
      text -= context.prefix.length + context.suffix.length;
    }
  }

  /** The completion of that {@link CompletionTrace.id}; undefined once it is forgotten. */
  get(id: number): CompletionRecord | undefined {
    return this.records.get(id);
  }

  /** The prompt as the model read it. */
  promptOf({ prompt, context }: CompletionRecord): InspectedPrompt {
    const { backbone, tokenizer } = this.options;
    return {
      pieces: piecesOf(backbone.model, tokenizer, prompt, context.path),
      contextLength: backbone.model.contextLength,
    };
  }

  /**
   * What the need attended to. It is expressed again, from the code before the cursor.
   * @throws AbortError when `signal` is aborted.
   */
  async needOf({ context }: CompletionRecord, signal: AbortSignal): Promise<NeedWeights> {
    const { backbone, promptFormat, tokenizer } = this.options;
    const tokens = promptFormat.query(context.path, context.prefix);
    const layers = await backbone.needWeights(tokens, signal);
    return { tokens: needTokens(tokenizer, tokens, context.prefix), layers: layers.map((weights) => [...weights]) };
  }

  /**
   * Completes the same cursor without fragments, and scores what was written with them in both prompts.
   * @throws AbortError when `signal` is aborted.
   */
  async compare(completed: CompletionRecord, signal: AbortSignal): Promise<Comparison> {
    const { trace, context, settings, invoked, generated, required, prompt } = completed;
    const records: CompletionRecord[] = [];
    // A completer of its own, so that the product's remembers nothing of it: no fragments, no id, no draft.
    const completer = new Completer({
      ...this.options,
      source: () => undefined,
      onCompleted: (record) => void records.push(record),
    });
    const without = await completer.complete(
      context,
      { ...settings, retrieval: false },
      trace.position,
      signal,
      performance.now(),
      { invoked },
    );
    const [record] = records;
    if (signal.aborted || record === undefined) throw abortError();
    const gained =
      generated.length === 0
        ? undefined
        : // The prompt with fragments last: the next keystroke continues that one.
          -(await this.logProbability(record.prompt.tokens, generated, required, signal)) +
          (await this.logProbability(prompt.tokens, generated, required, signal));
    return {
      withFragments: compared(trace),
      withoutFragments: compared(without),
      ...(gained !== undefined && { gained }),
    };
  }

  /**
   * Natural logarithm of the probability that the model generates `generated` after `prompt`, of each token among those that
   * were allowed in its place.
   */
  private async logProbability(
    prompt: readonly number[],
    generated: readonly number[],
    requiredText: string,
    signal: AbortSignal,
  ): Promise<number> {
    const { backbone, tokenizer, promptFormat } = this.options;
    const required = new RequiredText(tokenizer, promptFormat.stopTokens, requiredText);
    let sum = 0;
    let at = 0;
    for await (const logits of logitsAlong(backbone, prompt, generated, signal)) {
      const token = generated[at++] ?? -1;
      sum += logProbability(
        logits.subarray(0, tokenizer.vocabularySize),
        token,
        required.done ? undefined : required.allows,
      );
      required.consume(token);
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
  // The logits after the last token are not wanted.
  for (let at = 0; at < tokens.length - 1; at += maxDecodedTokens) {
    const decoded = await backbone.decode(
      cache,
      tokens.slice(at, Math.min(at + maxDecodedTokens, tokens.length - 1)),
      signal,
    );
    ({ cache } = decoded);
    yield* decoded.logits;
  }
}
