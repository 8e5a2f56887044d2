// Writes a suggestion: reads the prompt, generates, filters, and suppresses what the model is too unsure of.
import type { Settings } from "../protocol";
import { limitsOf } from "../retrieval/retriever";
import type { CursorContext } from "../retrieval/types";
import type { CompletionRecord } from "./completion-record";
import { type Calibration, confidenceIn, evidenceFor, whyUnsure } from "./confidence";
import { generate } from "./decoding/generate";
import { NgramLookup } from "./decoding/ngram-lookup";
import { healPrefix } from "./decoding/token-healing";
import { applyFilters } from "./filters/all";
import type { MutableTimings, MutableTrace } from "./new-trace";
import type { PromptReader, PromptReaderOptions } from "./prompt-reader";
import type { CursorSyntax } from "./syntax/cursor";

export interface SuggestionRequest {
  /** The document, with its secrets covered. */
  readonly context: CursorContext;
  readonly cursor: CursorSyntax;
  readonly settings: Settings;
  readonly invoked: boolean;
  readonly signal: AbortSignal | undefined;
  /** The writer fills in all that it learns, also when it is cancelled. */
  readonly trace: MutableTrace;
  readonly timings: MutableTimings;
}

/** Tokens left to the prompt however large `maxTokens` is set. */
const minPromptTokens = 128;
/** Characters before the cursor whose tokens an n-gram lookup starts from: a dozen tokens and more. */
const lookupCharacters = 200;

export class SuggestionWriter {
  /** The tokens before the cursor and of the last suggestion: after the next key, much of it is generated again. */
  private lastTokens: readonly number[] = [];

  constructor(
    private readonly options: PromptReaderOptions,
    private readonly prompts: PromptReader,
    private readonly calibration: Calibration | undefined,
  ) {}

  /** @throws AbortError when the signal is aborted. */
  async write(request: SuggestionRequest): Promise<Pick<CompletionRecord, "prompt" | "required" | "generated">> {
    const { context, cursor, settings, invoked, signal, trace, timings } = request;
    const { backbone, promptFormat, tokenizer } = this.options;
    const { contextLength, ngramWeights } = backbone.model;
    const maxNewTokens = Math.min(settings.maxTokens, contextLength - minPromptTokens);
    const { prefix, required } = healPrefix(tokenizer, context.prefix);
    const { prompt, result } = await this.prompts.read({
      context,
      prefix,
      limits: settings.retrieval ? limitsOf(settings) : undefined,
      maxTokens: contextLength - maxNewTokens,
      signal,
      trace,
      timings,
    });

    const { stopTokens } = promptFormat;
    const before = tokenizer.encode(prefix.slice(-lookupCharacters));
    const started = performance.now();
    const generation = await generate({
      backbone,
      tokenizer,
      stopTokens,
      prompt: result,
      maxTokens: maxNewTokens,
      required,
      promptLookup: new NgramLookup(promptFormat.withoutPaths(prompt.tokens), before, stopTokens, ngramWeights),
      lastLookup: new NgramLookup(this.lastTokens, before, stopTokens),
      cursor,
      signal,
    });
    this.lastTokens = [...before, ...generation.tokens];
    const generated = performance.now();
    timings.decodeMs = generated - started;
    trace.generatedTokens = generation.generatedTokens;
    trace.decodeSteps = generation.decodeSteps;
    trace.stopReason = generation.stopReason;

    const filtered = applyFilters(generation.text, { document: context, cursor });
    if ("reject" in filtered) trace.suppressed = filtered.reject;
    else {
      const { frequency } = settings;
      trace.confidence = confidenceIn(evidenceFor(filtered.text, generation, cursor), frequency, this.calibration);
      // Whoever asks for a suggestion sees what there is.
      const unsure = invoked ? undefined : whyUnsure(trace.confidence, frequency);
      if (unsure === undefined) trace.suggestion = filtered.text;
      else trace.suppressed = unsure;
    }
    timings.filterMs = performance.now() - generated;
    return { prompt, required, generated: generation.tokens };
  }
}
