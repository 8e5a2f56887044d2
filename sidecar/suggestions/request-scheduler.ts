// One suggestion at a time: from the cache, from work that is under way, or from the model once nobody types on.
import type { CompletionTrace, Settings } from "../protocol";
import type { CursorContext } from "../retrieval/types";
import { type CompletionCache, type Question, settingsKey } from "./completion-cache";
import type { Debounce } from "./debounce";
import type { CursorPlace } from "./document-snapshot";
import type { Traces } from "./traces";

/** What is asked of the completion room. */
export interface CompletionMaker {
  complete(
    context: CursorContext,
    settings: Settings,
    position: CursorPlace["position"],
    signal: AbortSignal,
    arrivedAt: number,
    options: { readonly invoked: boolean },
  ): Promise<CompletionTrace>;
}

export interface SuggesterParts {
  readonly cache: CompletionCache;
  readonly traces: Traces;
  readonly debounce: Pick<Debounce, "hold" | "completed">;
  settings(): Settings;
  /** Undefined while there is no model. */
  completer(): CompletionMaker | undefined;
  /** Of the model package. */
  modelHash(): string;
  /** Of the index; undefined while there is none. */
  revision(): number | undefined;
}

export interface Suggestion {
  /** Of the completion that made it. */
  readonly id: number;
  /** What is to be inserted at the cursor; empty for none. */
  readonly text: string;
  /** Characters behind the cursor that it replaces. */
  readonly replaces: number;
  /** As it was made, of which `text` is what is left. */
  readonly whole: string;
  /** Characters of `whole` that are typed already. */
  readonly typed: number;
}

/** Work that is under way. */
interface Running {
  readonly question: Question;
  readonly controller: AbortController;
  /** Undefined when it was cancelled. */
  readonly made: Promise<CompletionTrace | undefined>;
}

export class Suggester {
  readonly #parts: SuggesterParts;
  /** The last request, while it waits or is worked out. */
  #current: { readonly uri: string; readonly controller: AbortController } | undefined;
  /** What is made ready for a request that is likely to come. */
  #ahead: Running | undefined;

  constructor(parts: SuggesterParts) {
    this.#parts = parts;
  }

  /**
   * The suggestion at a cursor; undefined when a newer request, an edit or `signal` ended it first. Rejects only when
   * something is broken.
   * @param arrivedAt `performance.now()` when the request arrived
   */
  async suggest(
    place: CursorPlace,
    { invoked, signal, arrivedAt }: { invoked: boolean; signal: AbortSignal; arrivedAt: number },
  ): Promise<Suggestion | undefined> {
    // One cursor, one suggestion: whatever is still being made is for a text that is no longer there.
    this.#current?.controller.abort();
    const controller = new AbortController();
    const current = { uri: place.context.uri, controller };
    this.#current = current;
    const end = (): void => controller.abort();
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
    try {
      const question = this.#question(place, invoked);
      if (!isFor(this.#ahead, question)) this.#ahead?.controller.abort();
      // What is cached is there at once, and the turn to look it up is not given away.
      const cached = this.#fromCache(place, question);
      if (cached !== undefined) return cached;
      if (controller.signal.aborted) return undefined;
      if (isFor(this.#ahead, question)) {
        await Promise.race([this.#ahead?.made, aborted(controller.signal)]);
        if (controller.signal.aborted) return undefined;
        const ready = this.#fromCache(place, question);
        if (ready !== undefined) return ready;
      }
      const waitMs = invoked ? 0 : await this.#parts.debounce.hold(controller.signal);
      if (controller.signal.aborted) return undefined;
      const trace = await this.#make(place, question, controller.signal, arrivedAt, waitMs);
      if (trace === undefined || controller.signal.aborted) return undefined;
      this.#parts.cache.put(question, trace);
      this.#parts.traces.put(trace);
      return { id: trace.id, text: trace.suggestion, replaces: 0, whole: trace.suggestion, typed: 0 };
    } finally {
      signal.removeEventListener("abort", end);
      if (this.#current === current) this.#current = undefined;
    }
  }

  /**
   * Begins to make the suggestion at a place that a request is likely to come for, and keeps it in the cache. Does nothing
   * while a request is worked out, which is worth more. Never rejects.
   */
  async prepare(place: CursorPlace): Promise<void> {
    const question = this.#question(place, false);
    if (this.#current?.controller.signal.aborted === false || isFor(this.#ahead, question)) return;
    this.#ahead?.controller.abort();
    const controller = new AbortController();
    const made = this.#make(place, question, controller.signal, performance.now(), 0)
      .then((trace) => {
        if (trace === undefined || controller.signal.aborted) return undefined;
        this.#parts.cache.put(question, trace, false);
        return trace;
      })
      // Whoever asks for the same will be told.
      .catch(() => undefined);
    const running: Running = { question, controller, made };
    this.#ahead = running;
    await made;
    if (this.#ahead === running) this.#ahead = undefined;
  }

  /** The document is another one now: what is made for its old text is of no use. */
  edited(uri: string): void {
    if (this.#current?.uri === uri) this.#current.controller.abort();
    if (this.#ahead?.question.uri === uri) this.#ahead.controller.abort();
  }

  /** Ends all work, e.g. when suggestions are switched off. */
  cancel(): void {
    this.#current?.controller.abort();
    this.#ahead?.controller.abort();
  }

  #question({ context: { uri, prefix, suffix } }: CursorPlace, invoked: boolean): Question {
    const { settings, modelHash, revision } = this.#parts;
    return { uri, prefix, suffix, key: settingsKey(settings(), modelHash()), revision: revision(), invoked };
  }

  #fromCache(place: CursorPlace, question: Question): Suggestion | undefined {
    const hit = this.#parts.cache.get(question);
    if (hit === undefined) return undefined;
    const { trace, suggestion, replaces, typed } = hit;
    this.#parts.traces.put({ ...trace, position: place.position, suggestion, cached: true });
    return { id: trace.id, text: suggestion, replaces, whole: trace.suggestion, typed };
  }

  async #make(
    place: CursorPlace,
    { invoked }: Question,
    signal: AbortSignal,
    arrivedAt: number,
    waitMs: number,
  ): Promise<CompletionTrace | undefined> {
    const completer = this.#parts.completer();
    if (completer === undefined) return undefined;
    const trace = await completer.complete(place.context, this.#parts.settings(), place.position, signal, arrivedAt, {
      invoked,
    });
    if (trace.stopReason === "cancelled") return undefined;
    this.#parts.debounce.completed(trace.timings.totalMs - waitMs);
    return { ...trace, timings: { ...trace.timings, waitMs } };
  }
}

function isFor(running: Running | undefined, { uri, prefix, suffix, key }: Question): boolean {
  const question = running?.question;
  return (
    running?.controller.signal.aborted === false &&
    question?.uri === uri &&
    question.key === key &&
    question.prefix === prefix &&
    question.suffix === suffix
  );
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
