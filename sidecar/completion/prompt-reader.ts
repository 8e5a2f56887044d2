// Reads the prompt of a completion: chooses its fragments, assembles it, and runs it through the model.
import type { Backbone, PrefillResult } from "../inference/backbone";
import type { PromptFormat } from "../inference/prompt-format";
import type { Tokenizer } from "../inference/tokenizer";
import { rankOf } from "../retrieval/boosts";
import type { FragmentReuse } from "../retrieval/fragment-reuse";
import type { CursorContext, FragmentSelection, RetrievalLimits } from "../retrieval/types";
import { visibleText } from "../retrieval/visible-text";
import type { MutableTimings, MutableTrace } from "./new-trace";
import { assemblePrompt, codeTokensIn, type Prompt } from "./prompt";

export interface PromptReaderOptions {
  readonly backbone: Backbone;
  readonly promptFormat: PromptFormat;
  readonly tokenizer: Tokenizer;
}

export interface PromptRequest {
  readonly context: CursorContext;
  /** The text before the cursor that the prompt holds; the model generates the rest of it again (token healing). */
  readonly prefix: string;
  /** Undefined where `selfracg.retrieval` is off. */
  readonly limits: RetrievalLimits | undefined;
  /** Maximum tokens of the whole prompt. */
  readonly maxTokens: number;
  readonly signal: AbortSignal | undefined;
  /** The reader fills in all that it learns, also when it is cancelled. */
  readonly trace: MutableTrace;
  readonly timings: MutableTimings;
}

/** A prompt, and what the model made of it. */
export interface ReadPrompt {
  readonly prompt: Prompt;
  readonly result: PrefillResult;
}

export class PromptReader {
  constructor(
    private readonly options: PromptReaderOptions,
    private readonly reuse: FragmentReuse,
  ) {}

  /**
   * Assembles the prompt and reads it. The longest beginning that was read before comes out of the KV cache.
   * @throws AbortError when the signal is aborted.
   */
  async read(request: PromptRequest): Promise<ReadPrompt> {
    const { context, limits, maxTokens, signal, trace, timings } = request;
    const assemble = (selection: FragmentSelection): Prompt => {
      const prompt = assemblePrompt(
        this.options.promptFormat,
        { ...context, prefix: request.prefix },
        selection.selected,
        maxTokens,
      );
      describe(prompt, selection, maxTokens, trace);
      return prompt;
    };
    const prefill = async ({ tokens }: Prompt, express: boolean): Promise<PrefillResult> => {
      const start = performance.now();
      const result = await this.options.backbone.prefill(tokens, { express, signal });
      timings.prefillMs += performance.now() - start;
      return result;
    };
    /** What was read to find out whether the last fragments still serve. */
    const trial: { selection?: FragmentSelection; prompt?: Prompt; result?: PrefillResult } = {};
    const decision =
      limits === undefined
        ? this.reuse.withoutFragments(context.uri, "selfracg.retrieval is off")
        : await this.reuse.decide(
            {
              context,
              limits,
              visible: visibleText(context, codeTokensIn(maxTokens), this.options.tokenizer),
              completion: trace.id,
              signal,
            },
            async (selection) => {
              const prompt = assemble(selection);
              const result = await prefill(prompt, true);
              Object.assign(trial, { selection, prompt, result });
              return needOf(result);
            },
          );
    const { selection, retrieved, isRead, record } = decision;
    Object.assign(timings, decision.timings);
    if (retrieved !== undefined) trace.fetched = retrieved;
    const prompt = trial.selection === selection && trial.prompt !== undefined ? trial.prompt : assemble(selection);
    const result = isRead && trial.result !== undefined ? trial.result : await prefill(prompt, record !== undefined);
    const reused = record?.(needOf(result));
    if (reused !== undefined) trace.reused = reused;
    return { prompt, result };
  }
}

/** Writes into the trace which fragments are in the prompt, and why the others are not. */
function describe(prompt: Prompt, selection: FragmentSelection, maxTokens: number, trace: MutableTrace): void {
  const { selected, dropped, nothing, nullScore } = selection;
  const reason = `no room beside the code in a prompt of ${maxTokens} tokens`;
  const noRoom = selected
    .filter((fragment) => !prompt.fragments.includes(fragment))
    .map(({ reference }) => ({ ...reference, reason }));
  trace.fragments = prompt.fragments.map(({ reference }) => reference);
  trace.dropped = [...noRoom, ...dropped].sort((a, b) => rankOf(b) - rankOf(a));
  trace.promptTokens = prompt.tokens.length;
  if (nullScore !== undefined) trace.nullScore = nullScore;
  if (prompt.fragments.length === 0) trace.nothingRetrieved = nothing ?? "no fragment fits beside the code";
  else delete trace.nothingRetrieved;
}

function needOf({ need }: PrefillResult): Float32Array {
  if (need === undefined)
    throw new TypeError("expected the need with the prompt, found none: ask for it with `express`");
  return need;
}
