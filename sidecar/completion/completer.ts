// Makes one completion: reads the prompt, generates, filters, and fills in the trace that tells what happened and when.
import { plainText } from "../host/plain-text";
import type { Backbone } from "../inference/backbone";
import type { PromptFormat } from "../inference/prompt-format";
import type { Tokenizer } from "../inference/tokenizer";
import type { CompletionTrace, SearchResult, Settings } from "../protocol";
import type { BoostRule } from "../retrieval/boosts";
import { FragmentReuse } from "../retrieval/fragment-reuse";
import { limitsOf, noRetrieval, Retriever } from "../retrieval/retriever";
import type { CursorContext, Retrieval } from "../retrieval/types";
import { visibleText } from "../retrieval/visible-text";
import type { FragmentSource } from "../workspace/fragment-source";
import type { CompletionRecord } from "./completion-record";
import { type Calibration, calibrationOf } from "./confidence";
import { DocumentRedactor } from "./document";
import { newTimings, newTrace, type Position } from "./new-trace";
import { codeTokensIn } from "./prompt";
import { PromptReader } from "./prompt-reader";
import { SuggestionWriter } from "./suggestion-writer";
import { whySuppressed } from "./suppress-in";
import { readCursor } from "./syntax/cursor";
import type { SyntaxTrees } from "./syntax/tree";

export interface CompleterOptions {
  readonly backbone: Backbone;
  readonly promptFormat: PromptFormat;
  readonly tokenizer: Tokenizer;
  /** The index to search; undefined while there is none. Called for every completion. */
  readonly source: () => FragmentSource | undefined;
  readonly log: (message: string) => void;
  /** What is added to the scores of fragments, pinned files aside; default: imports alone. */
  readonly boosts?: BoostRule;
  /** Tells from the syntax tree how far suggestions go; without it, brackets and indentation tell. */
  readonly trees?: SyntaxTrees;
  /** How likely a suggestion is right; default: as the model package states. */
  readonly calibration?: Calibration;
  /** Called after every completion that was not cancelled. */
  readonly onCompleted?: (record: CompletionRecord) => void;
}

export interface CompleteOptions {
  /** Whether the user's command asked for it, not typing: then a suggestion is shown however unsure. Default: false. */
  readonly invoked?: boolean;
}

export class Completer {
  private readonly retriever: Retriever;
  private readonly writer: SuggestionWriter;
  private readonly documents = new DocumentRedactor();
  private lastId = 0;

  constructor(private readonly options: CompleterOptions) {
    this.retriever = new Retriever(options);
    const prompts = new PromptReader(options, new FragmentReuse(this.retriever));
    const calibration = options.calibration ?? calibrationOf(options.backbone.model);
    this.writer = new SuggestionWriter(options, prompts, calibration);
  }

  /**
   * Completes at the cursor. Resolves for a cancellation too, with `stopReason` `cancelled`, no suggestion and what was
   * known by then: a newer keystroke is no error. Rejects only when something is broken.
   * Where `settings.quietIn` rules suggestions out, or the cursor is inside a secret, nothing is read, and `stopReason`
   * stays `not-started`. Secrets elsewhere in the document are covered before anything reads it.
   * @param arrivedAt `performance.now()` when the request arrived; `totalMs` runs from there.
   */
  async complete(
    document: CursorContext,
    settings: Settings,
    position: Position,
    signal: AbortSignal | undefined,
    arrivedAt: number,
    { invoked = false }: CompleteOptions = {},
  ): Promise<CompletionTrace> {
    const { backbone, trees, log, onCompleted } = this.options;
    const { context, secret } = this.documents.redact(document);
    const trace = newTrace(++this.lastId, context, position, backbone.provider.name);
    const timings = newTimings();
    const tree = signal?.aborted ? undefined : trees?.at(context);
    let written: Pick<CompletionRecord, "prompt" | "required" | "generated"> | undefined;
    try {
      signal?.throwIfAborted();
      const cursor = readCursor(context, tree);
      const suppressed = whySuppressed(cursor, settings.quietIn, secret);
      if (suppressed !== undefined) trace.suppressed = suppressed;
      else written = await this.writer.write({ context, cursor, settings, invoked, signal, trace, timings });
    } catch (error) {
      if (!signal?.aborted) throw error;
      trace.stopReason = "cancelled";
      trace.suppressed = "cancelled: a newer request or the user ended it";
    } finally {
      tree?.dispose();
    }
    timings.totalMs = performance.now() - arrivedAt;
    const outcome = trace.suppressed ?? `${trace.generatedTokens} tokens, ${trace.stopReason}`;
    const fragments = `${trace.fragments.length} fragments${trace.reused === undefined ? "" : " reused"}`;
    log(`completion ${trace.id}: ${outcome}, ${fragments}, ${timings.totalMs.toFixed(0)} ms`);
    const completed = { ...trace, timings };
    if (written !== undefined) onCompleted?.({ trace: completed, context, settings, invoked, ...written });
    return completed;
  }

  /** Retrieves for the cursor and generates nothing. @throws AbortError when `signal` is aborted. */
  async search(document: CursorContext, settings: Settings, signal?: AbortSignal): Promise<Retrieval> {
    if (!settings.retrieval) return noRetrieval("selfracg.retrieval is off");
    const { backbone, tokenizer } = this.options;
    const { context } = this.documents.redact(document);
    const maxCodeTokens = codeTokensIn(backbone.model.contextLength - settings.maxTokens);
    const visible = visibleText(context, maxCodeTokens, tokenizer);
    return this.retriever.retrieve({ context, visible, limits: limitsOf(settings) }, signal);
  }

  /**
   * The `limit` best fragments for a cursor at the end of `text`, except those of banned files. None is dropped for what
   * the prompt would show, nor for its score.
   * @param document that the text would stand in
   * @throws AbortError when `signal` is aborted.
   */
  searchCode(
    text: string,
    document: Pick<CursorContext, "uri" | "path" | "languageId">,
    settings: Settings,
    limit: number,
    signal?: AbortSignal,
  ): Promise<SearchResult> {
    const { context } = new DocumentRedactor().redact({ ...document, prefix: plainText(text), suffix: "" });
    return this.retriever.rank(context, limitsOf(settings), limit, signal);
  }
}
