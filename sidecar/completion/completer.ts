// One completion from end to end: retrieve, assemble, generate, filter, and a trace that says what happened and when.
import type { Backbone } from "../inference/backbone";
import type { PromptFormat } from "../inference/prompt-format";
import type { Tokenizer } from "../inference/tokenizer";
import type { CompletionTimings, CompletionTrace, Settings } from "../protocol";
import { nothing, Retriever } from "../retrieval/retriever";
import type { CursorContext, Retrieval } from "../retrieval/retrieval";
import type { FragmentSource } from "../workspace/fragment-source";
import { PromptCache } from "./copying";
import { readCursor } from "./cursor-syntax";
import { applyFilters } from "./filters/all";
import { generate } from "./generate";
import { healPrefix } from "./healing";
import { assemblePrompt, mostCodeTokens } from "./prompt";

export interface CompleterOptions {
  readonly backbone: Backbone;
  readonly promptFormat: PromptFormat;
  readonly tokenizer: Tokenizer;
  /** What can be searched now; undefined while there is none. Asked anew for every completion. */
  readonly source: () => FragmentSource | undefined;
  readonly log: (message: string) => void;
}

export interface Position {
  /** 0-based. */
  readonly line: number;
  /** UTF-16 units. */
  readonly character: number;
}

/** Characters before the cursor that can matter for what is copied: a dozen tokens and more. */
const cachedCharacters = 200;
/** Tokens left to the prompt however large `maxTokens` is set. */
const leastPrompt = 128;

export class Completer {
  private readonly retriever: Retriever;
  private lastId = 0;

  constructor(private readonly options: CompleterOptions) {
    this.retriever = new Retriever(options);
  }

  /**
   * Completes at the cursor. Resolves for a cancellation too, with `stopReason` `cancelled`, no suggestion and what was
   * known by then: a newer keystroke is no error. Rejects only when something is broken.
   * @param arrivedAt `performance.now()` when the request arrived; `totalMs` runs from there.
   */
  async complete(
    document: CursorContext,
    settings: Settings,
    position: Position,
    signal: AbortSignal | undefined,
    arrivedAt: number,
  ): Promise<CompletionTrace> {
    const { backbone, promptFormat, tokenizer, log } = this.options;
    const context = withPlainNewlines(document);
    const trace = this.begin(context, position);
    const timings: CompletionTimings = { totalMs: 0, expressMs: 0, searchMs: 0, selectMs: 0, prefillMs: 0, decodeMs: 0, filterMs: 0 };
    try {
      signal?.throwIfAborted();
      const cursor = readCursor(context);
      const maxTokens = Math.min(settings.maxTokens, backbone.model.contextLength - leastPrompt);
      const room = backbone.model.contextLength - maxTokens;
      const retrieval = await this.retrieve(context, settings, room, signal);
      Object.assign(timings, retrieval.timings);
      const { prefix, owed } = healPrefix(tokenizer, context.prefix);
      const prompt = assemblePrompt(promptFormat, { ...context, prefix }, retrieval.selected, room);
      trace.fragments = prompt.fragments.map((fragment) => fragment.reference);
      const unfit = retrieval.selected.filter((fragment) => !prompt.fragments.includes(fragment));
      const noRoom = unfit.map(({ reference }) => ({ ...reference, reason: `no room beside the code in a prompt of ${room} tokens` }));
      trace.dropped = [...noRoom, ...retrieval.dropped].sort((a, b) => b.score - a.score);
      trace.promptTokens = prompt.tokens.length;
      if (prompt.fragments.length === 0) trace.nothingRetrieved = retrieval.nothing ?? "no fragment fits beside the code";

      const { stopTokens } = promptFormat;
      const promptCache = new PromptCache(promptFormat.withoutPaths(prompt.tokens), tokenizer.encode(prefix.slice(-cachedCharacters)), stopTokens);
      const generation = await generate({ backbone, tokenizer, stopTokens, prompt: prompt.tokens, maxTokens, owed, promptCache, cursor, signal });
      Object.assign(timings, generation.timings);
      trace.generatedTokens = generation.generatedTokens;
      trace.stopReason = generation.stopReason;

      const generated = performance.now();
      const filtered = applyFilters(generation.text, { document: context, cursor });
      timings.filterMs = performance.now() - generated;
      if ("reject" in filtered) trace.suppressed = filtered.reject;
      else trace.suggestion = filtered.text;
    } catch (error) {
      if (!signal?.aborted) throw error;
      trace.stopReason = "cancelled";
      trace.suppressed = "cancelled: a newer request or the user ended it";
    }
    timings.totalMs = performance.now() - arrivedAt;
    const outcome = trace.suppressed ?? `${trace.generatedTokens} tokens, ${trace.stopReason}`;
    log(`completion ${trace.id}: ${outcome}, ${trace.fragments.length} fragments, ${timings.totalMs.toFixed(0)} ms`);
    return { ...trace, timings };
  }

  /** Retrieves for the cursor and generates nothing. Rejects with an AbortError when `signal` is aborted. */
  async search(document: CursorContext, settings: Settings, signal?: AbortSignal): Promise<Retrieval> {
    const { contextLength } = this.options.backbone.model;
    return this.retrieve(withPlainNewlines(document), settings, contextLength - settings.maxTokens, signal);
  }

  private async retrieve(context: CursorContext, settings: Settings, room: number, signal: AbortSignal | undefined): Promise<Retrieval> {
    if (!settings.retrieval) return nothing("selfracg.retrieval is off");
    const limits = { maxFragments: settings.maxFragments, fragmentBudget: settings.fragmentBudget };
    return this.retriever.retrieve(context, limits, Math.min(room, mostCodeTokens), signal);
  }

  private begin(context: CursorContext, position: Position): Omit<CompletionTrace, "timings"> {
    this.lastId += 1;
    return {
      id: this.lastId,
      uri: context.uri,
      languageId: context.languageId,
      position: { line: position.line, character: position.character },
      suggestion: "",
      stopReason: "not-started",
      fragments: [],
      dropped: [],
      promptTokens: 0,
      generatedTokens: 0,
      provider: this.options.backbone.provider.name,
    };
  }
}

/** The model and every rule know `\n` alone; editors turn it into the document's own line break when they insert it. */
function withPlainNewlines(document: CursorContext): CursorContext {
  const plain = (text: string) => (text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text);
  return { ...document, prefix: plain(document.prefix), suffix: plain(document.suffix) };
}
