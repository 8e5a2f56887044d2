// One completion from end to end: retrieve, assemble, generate, filter, and a trace that says what happened and when.
import type { Backbone, PrefillResult } from "../inference/backbone";
import type { PromptFormat } from "../inference/prompt-format";
import type { Tokenizer } from "../inference/tokenizer";
import type { CompletionTimings, CompletionTrace, SearchResult, Settings } from "../protocol";
import { type RaisingRule, rankOf } from "../retrieval/boosts";
import { type Kept, KeptFragments, keepingRule, weigh } from "../retrieval/fragment-reuse";
import { similarityOf } from "../retrieval/query";
import { nothing, Retriever, searchable } from "../retrieval/retriever";
import type { CursorContext, Retrieval, RetrievalLimits, SelectedFragment } from "../retrieval/types";
import type { FragmentSource } from "../workspace/fragment-source";
import type { CompletedCursor } from "./completion-record";
import { type Calibration, calibrationOf, confidenceIn, evidenceFor, whyUnsure } from "./confidence";
import { generate } from "./decoding/generate";
import { PromptCache } from "./decoding/ngram-lookup";
import { healPrefix } from "./decoding/token-healing";
import { applyFilters } from "./filters/all";
import { assemblePrompt, mostCodeTokens, type Prompt } from "./prompt";
import { DocumentCover } from "./redacted-document";
import { whyQuiet } from "./suppress-in";
import { type CursorSyntax, readCursor } from "./syntax/cursor";
import type { SyntaxTrees } from "./syntax/tree";

export interface CompleterOptions {
  readonly backbone: Backbone;
  readonly promptFormat: PromptFormat;
  readonly tokenizer: Tokenizer;
  /** What can be searched now; undefined while there is none. Asked anew for every completion. */
  readonly source: () => FragmentSource | undefined;
  readonly log: (message: string) => void;
  /** What raises fragments above their score, beside pins; default: as measured, with nothing edited. */
  readonly raising?: RaisingRule;
  /** What tells how far suggestions go; left out, brackets and indentation alone tell. */
  readonly trees?: SyntaxTrees;
  /** How sure of a suggestion its evidence makes; default: as the model package states. */
  readonly calibration?: Calibration;
  /** Told of every completion that was not cancelled, with what it was made of. */
  readonly onCompleted?: (completed: CompletedCursor) => void;
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

type Trace = Omit<CompletionTrace, "timings">;

/** How a completion was asked for. */
export interface Asking {
  /** Whether by the user's command, not by typing: then nothing is held back for being unsure. Default: false. */
  readonly invoked?: boolean;
}

/** A completion to be written. */
interface Writing {
  readonly context: CursorContext;
  readonly cursor: CursorSyntax;
  readonly settings: Settings;
  readonly invoked: boolean;
  readonly signal: AbortSignal | undefined;
  readonly trace: Trace;
  readonly timings: CompletionTimings;
}

/** A cursor in a document, what may be put in its prompt, and what is known of its completion so far. */
interface Task {
  readonly context: CursorContext;
  /** Before the cursor, without what the model gives again. */
  readonly prefix: string;
  readonly limits: RetrievalLimits;
  /** Most tokens of the whole prompt. */
  readonly room: number;
  readonly signal: AbortSignal | undefined;
  readonly trace: Trace;
  readonly timings: CompletionTimings;
}

/** A prompt that the model has read. */
interface ReadPrompt {
  readonly prompt: Prompt;
  readonly read: PrefillResult;
}

export class Completer {
  private readonly retriever: Retriever;
  private readonly kept: KeptFragments;
  private readonly calibration: Calibration | undefined;
  private readonly documents = new DocumentCover();
  private lastId = 0;
  /** The tokens before the cursor and those of the suggestion, the last time: after the next key much of it is said again. */
  private lastSaid: readonly number[] = [];

  constructor(private readonly options: CompleterOptions) {
    this.retriever = new Retriever(options);
    this.kept = new KeptFragments(options.tokenizer);
    this.calibration = options.calibration ?? calibrationOf(options.backbone.model);
  }

  /**
   * Completes at the cursor. Resolves for a cancellation too, with `stopReason` `cancelled`, no suggestion and what was
   * known by then: a newer keystroke is no error. Rejects only when something is broken.
   * Where `settings.quietIn` says that none is wanted, or the cursor is inside a secret, nothing is read, and `stopReason`
   * stays `not-started`. Secrets elsewhere in the document are covered before anything reads it.
   * @param arrivedAt `performance.now()` when the request arrived; `totalMs` runs from there.
   */
  async complete(
    document: CursorContext,
    settings: Settings,
    position: Position,
    signal: AbortSignal | undefined,
    arrivedAt: number,
    { invoked = false }: Asking = {},
  ): Promise<CompletionTrace> {
    const { trees, log } = this.options;
    const { context, secret } = this.documents.cover(document);
    const trace = this.begin(context, position);
    const tree = signal?.aborted ? undefined : trees?.at(context);
    const timings: CompletionTimings = {
      totalMs: 0,
      waitMs: 0,
      expressMs: 0,
      searchMs: 0,
      selectMs: 0,
      prefillMs: 0,
      decodeMs: 0,
      filterMs: 0,
    };
    let made: Pick<CompletedCursor, "prompt" | "owed" | "generated"> | undefined;
    try {
      signal?.throwIfAborted();
      const cursor = readCursor(context, tree);
      const quiet =
        secret === undefined ? whyQuiet(cursor, settings.quietIn) : `the cursor is in what looks like ${secret.what}`;
      if (quiet !== undefined) trace.suppressed = quiet;
      else made = await this.write({ context, cursor, settings, invoked, trace, timings, signal });
    } catch (error) {
      if (!signal?.aborted) throw error;
      trace.stopReason = "cancelled";
      trace.suppressed = "cancelled: a newer request or the user ended it";
    } finally {
      tree?.dispose();
    }
    timings.totalMs = performance.now() - arrivedAt;
    const outcome = trace.suppressed ?? `${trace.generatedTokens} tokens, ${trace.stopReason}`;
    const fragments = `${trace.fragments.length} fragments${trace.kept === undefined ? "" : " kept"}`;
    log(`completion ${trace.id}: ${outcome}, ${fragments}, ${timings.totalMs.toFixed(0)} ms`);
    const completed = { ...trace, timings };
    if (made !== undefined) this.options.onCompleted?.({ trace: completed, context, settings, invoked, ...made });
    return completed;
  }

  /** Reads the prompt, generates, filters, and holds back what the model is unsure of; writes all of it into the trace. */
  private async write({
    context,
    cursor,
    settings,
    invoked,
    trace,
    timings,
    signal,
  }: Writing): Promise<Pick<CompletedCursor, "prompt" | "owed" | "generated">> {
    const { backbone, promptFormat, tokenizer } = this.options;
    const maxTokens = Math.min(settings.maxTokens, backbone.model.contextLength - leastPrompt);
    const room = backbone.model.contextLength - maxTokens;
    const { prefix, owed } = healPrefix(tokenizer, context.prefix);
    const task: Task = { context, prefix, limits: limitsOf(settings), room, signal, trace, timings };
    const { prompt, read } = settings.retrieval
      ? await this.readWithFragments(task)
      : await this.readAlone(task, "selfracg.retrieval is off");

    const { stopTokens } = promptFormat;
    const before = tokenizer.encode(prefix.slice(-cachedCharacters));
    const promptCache = new PromptCache(promptFormat.withoutPaths(prompt.tokens), before, stopTokens);
    const earlier = new PromptCache(this.lastSaid, before, stopTokens);
    const started = performance.now();
    const generation = await generate({
      backbone,
      tokenizer,
      stopTokens,
      prompt: read,
      maxTokens,
      owed,
      promptCache,
      earlier,
      cursor,
      signal,
    });
    this.lastSaid = [...before, ...generation.tokens];
    const generated = performance.now();
    timings.decodeMs = generated - started;
    trace.generatedTokens = generation.generatedTokens;
    trace.decodeSteps = generation.decodeSteps;
    trace.stopReason = generation.stopReason;

    const filtered = applyFilters(generation.text, { document: context, cursor });
    if ("reject" in filtered) trace.suppressed = filtered.reject;
    else {
      trace.confidence = confidenceIn(
        evidenceFor(filtered.text, generation, cursor),
        settings.frequency,
        this.calibration,
      );
      // Who asks wants to see what there is.
      const unsure = invoked ? undefined : whyUnsure(trace.confidence, settings.frequency);
      if (unsure === undefined) trace.suggestion = filtered.text;
      else trace.suppressed = unsure;
    }
    timings.filterMs = performance.now() - generated;
    return { prompt, owed, generated: generation.tokens };
  }

  /** Retrieves for the cursor and generates nothing. Rejects with an AbortError when `signal` is aborted. */
  async search(document: CursorContext, settings: Settings, signal?: AbortSignal): Promise<Retrieval> {
    if (!settings.retrieval) return nothing("selfracg.retrieval is off");
    const { contextLength } = this.options.backbone.model;
    return this.retriever.retrieve(
      this.documents.cover(document).context,
      limitsOf(settings),
      codeTokensIn(contextLength - settings.maxTokens),
      signal,
    );
  }

  /**
   * The `limit` fragments that come first for a cursor at the end of `text`, those of banned files left out. None is
   * dropped for what the prompt would hold, nor for its score.
   * @param document that the text is as if written in
   * @throws AbortError when `signal` is aborted.
   */
  searchCode(
    text: string,
    document: Pick<CursorContext, "uri" | "path" | "languageId">,
    settings: Settings,
    limit: number,
    signal?: AbortSignal,
  ): Promise<SearchResult> {
    return this.retriever.rank(
      new DocumentCover().cover({ ...document, prefix: text, suffix: "" }).context,
      limitsOf(settings),
      limit,
      signal,
    );
  }

  /** Reads the prompt without fragments. */
  private async readAlone(task: Task, reason: string): Promise<ReadPrompt> {
    this.kept.forget(task.context.uri);
    const prompt = this.assemble(task, []);
    this.show(task, prompt, { selected: [], dropped: [], nothing: reason });
    return { prompt, read: await this.read(task, prompt, false) };
  }

  /**
   * Reads the prompt with the fragments of the document's last completion where they still serve, else with new ones.
   * Kept fragments cost nothing: they are the beginning of a prompt that was read before, and the need at its end, by
   * which one tells whether they serve, comes with reading it.
   */
  private async readWithFragments(task: Task): Promise<ReadPrompt> {
    const source = searchable(this.options.source(), task.limits);
    if (typeof source === "string") return this.readAlone(task, source);
    const { revision } = source;
    const kept = this.kept.recall(task.context, task.limits, codeTokensIn(task.room));
    if (typeof kept === "string") return this.readFetched(task, await this.fetch(task), revision, kept);

    let read: PrefillResult | undefined;
    let similarity: number | undefined;
    if (kept.revision === revision) {
      const prompt = this.assemble(task, kept.selected);
      this.show(task, prompt, kept);
      read = await this.read(task, prompt);
      // Without a need of then, the last completion was cancelled right after the search, a few keystrokes ago.
      similarity = kept.need === undefined ? 1 : similarityOf(kept.need, needOf(read));
      if (similarity >= keepingRule.similarity) {
        // What is compared with stays the need that the fragments were found to serve: small steps must not add up.
        this.kept.remember({ ...kept, need: kept.need ?? needOf(read), context: task.context });
        task.trace.kept = { since: kept.since, similarity, reason: "the need has hardly moved" };
        return { prompt, read };
      }
    }
    const why = similarity === undefined ? "the index changed" : `the need moved (similarity ${similarity.toFixed(3)})`;
    const fresh = await this.fetch(task);
    const standing = weigh(kept, fresh, revision, keepingRule);
    if (typeof standing === "string") return this.readFetched(task, fresh, revision, `${why}: ${standing}`);
    // The same tokens as before, with the scores of now.
    const prompt = this.assemble(task, standing.selected);
    const now: Kept = { ...kept, ...standing, context: task.context, revision };
    this.show(task, prompt, now);
    read ??= await this.read(task, prompt);
    this.kept.remember({ ...now, need: needOf(read) });
    similarity ??= kept.need === undefined ? 1 : similarityOf(kept.need, needOf(read));
    task.trace.kept = { since: kept.since, similarity, reason: `${why}, but nothing found is better by much` };
    return { prompt, read };
  }

  /** Reads the prompt with new fragments and keeps them. */
  private async readFetched(task: Task, fresh: Retrieval, revision: number, reason: string): Promise<ReadPrompt> {
    const { context, limits, room, trace } = task;
    const { selected, dropped, nullScore } = fresh;
    const kept: Kept = {
      since: trace.id,
      selected,
      dropped,
      nullScore,
      nothing: fresh.nothing,
      need: undefined,
      context,
      limits,
      codeTokens: codeTokensIn(room),
      revision,
    };
    // Before the prompt is read: a keystroke that cancels this finds the search done.
    this.kept.remember(kept);
    trace.fetched = reason;
    const prompt = this.assemble(task, selected);
    this.show(task, prompt, fresh);
    const read = await this.read(task, prompt);
    this.kept.remember({ ...kept, need: needOf(read) });
    return { prompt, read };
  }

  private async fetch({ context, limits, room, signal, timings }: Task): Promise<Retrieval> {
    const retrieval = await this.retriever.retrieve(context, limits, codeTokensIn(room), signal);
    // A source that was emptied meanwhile is searched like any other, and gives nothing.
    Object.assign(timings, retrieval.timings);
    return retrieval;
  }

  private assemble({ context, prefix, room }: Task, selected: readonly SelectedFragment[]): Prompt {
    return assemblePrompt(this.options.promptFormat, { ...context, prefix }, selected, room);
  }

  private async read({ signal, timings }: Task, { tokens }: Prompt, express = true): Promise<PrefillResult> {
    const start = performance.now();
    const read = await this.options.backbone.prefill(tokens, { express, signal });
    timings.prefillMs += performance.now() - start;
    return read;
  }

  /** Writes into the trace what is in the prompt and what is not. */
  private show(
    { room, trace }: Task,
    prompt: Prompt,
    { selected, dropped, nothing: why, nullScore }: Pick<Kept, "selected" | "dropped" | "nothing" | "nullScore">,
  ): void {
    const unfit = selected.filter((fragment) => !prompt.fragments.includes(fragment));
    const noRoom = unfit.map(({ reference }) => ({
      ...reference,
      reason: `no room beside the code in a prompt of ${room} tokens`,
    }));
    trace.fragments = prompt.fragments.map(({ reference }) => reference);
    trace.dropped = [...noRoom, ...dropped].sort((a, b) => rankOf(b) - rankOf(a));
    trace.promptTokens = prompt.tokens.length;
    if (nullScore !== undefined) trace.nullScore = nullScore;
    if (prompt.fragments.length === 0) trace.nothingRetrieved = why ?? "no fragment fits beside the code";
    else delete trace.nothingRetrieved;
  }

  private begin(context: CursorContext, position: Position): Trace {
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
      decodeSteps: 0,
      provider: this.options.backbone.provider.name,
    };
  }
}

/** Most tokens of code in a prompt of `room` tokens. */
function codeTokensIn(room: number): number {
  return Math.min(room, mostCodeTokens);
}

function limitsOf({ maxFragments, fragmentBudget, pinnedFiles, bannedFiles }: Settings): RetrievalLimits {
  return { maxFragments, fragmentBudget, pinnedFiles, bannedFiles };
}

function needOf({ need }: PrefillResult): Float32Array {
  if (need === undefined)
    throw new TypeError("expected the need with the prompt, found none: ask for it with `express`");
  return need;
}
