// Schedules suggestions, one at a time: from the cache, from work in progress, or from the model after a pause in typing.
import type { Completer } from "../completion/completer";
import type { CompletionTrace, Settings } from "../protocol";
import { type CacheQuery, type CompletionCache, settingsKey } from "./completion-cache";
import type { Debounce } from "./debounce";
import type { DocumentSnapshot } from "./document-snapshot";
import type { Traces } from "./traces";

interface SchedulerParts {
  readonly cache: CompletionCache;
  readonly traces: Traces;
  readonly debounce: Pick<Debounce, "hold" | "completed">;
  settings(): Settings;
  /** Called before each use of the model. */
  modelNeeded(): void;
  /** Undefined while there is no model. */
  completer(): Pick<Completer, "complete"> | undefined;
  /** Of the model package. */
  modelHash(): string;
  /** Of the index; undefined while there is none. */
  revision(): number | undefined;
}

export interface Suggestion {
  /** Id of the completion that made it. */
  readonly id: number;
  /** The text to insert at the cursor; empty for none. */
  readonly text: string;
  /** Number of characters after the cursor that it replaces. */
  readonly replaces: number;
  /** The whole suggestion, of which `text` is the rest. */
  readonly whole: string;
  /** Number of characters of `whole` that are typed already. */
  readonly typed: number;
}

/** A suggestion that is being made. */
interface Running {
  readonly query: CacheQuery;
  readonly controller: AbortController;
  /** Undefined when it was cancelled. */
  readonly result: Promise<CompletionTrace | undefined>;
}

export class RequestScheduler {
  /** The last request, until it is answered. */
  private current: { readonly uri: string; readonly controller: AbortController } | undefined;
  /** A suggestion that is made in advance, for a request that is likely to come. */
  private ahead: Running | undefined;

  constructor(private readonly parts: SchedulerParts) {}

  /**
   * The suggestion at a cursor; undefined when a newer request, an edit or `signal` ended it first. Rejects only when
   * something is broken.
   * @param arrivedAt `performance.now()` when the request arrived
   */
  async suggest(
    snapshot: DocumentSnapshot,
    { invoked, signal, arrivedAt }: { invoked: boolean; signal: AbortSignal; arrivedAt: number },
  ): Promise<Suggestion | undefined> {
    // There is one cursor, so an older request is for a text that is no longer there.
    this.current?.controller.abort();
    const controller = new AbortController();
    const current = { uri: snapshot.context.uri, controller };
    this.current = current;
    const end = (): void => controller.abort();
    signal.addEventListener("abort", end);
    if (signal.aborted) end();
    try {
      const query = this.query(snapshot, invoked);
      if (!isFor(this.ahead, query)) this.ahead?.controller.abort();
      // Nothing is awaited before the cache is read: a cached suggestion is answered at once.
      const cached = this.fromCache(snapshot, query);
      if (cached !== undefined) return cached;
      if (controller.signal.aborted) return undefined;
      if (isFor(this.ahead, query)) {
        await Promise.race([this.ahead?.result, aborted(controller.signal)]);
        if (controller.signal.aborted) return undefined;
        const ready = this.fromCache(snapshot, query);
        if (ready !== undefined) return ready;
      }
      const waitMs = invoked ? 0 : await this.parts.debounce.hold(controller.signal);
      if (controller.signal.aborted) return undefined;
      const trace = await this.make(snapshot, query, controller.signal, arrivedAt, waitMs);
      if (trace === undefined || controller.signal.aborted) return undefined;
      this.parts.cache.put(query, trace);
      this.parts.traces.put(trace);
      return { id: trace.id, text: trace.suggestion, replaces: 0, whole: trace.suggestion, typed: 0 };
    } finally {
      signal.removeEventListener("abort", end);
      if (this.current === current) this.current = undefined;
    }
  }

  /**
   * Makes a suggestion in advance, where a request is likely to come, and puts it in the cache. Does nothing while a request
   * is being answered, which matters more. Never rejects.
   */
  async prepare(snapshot: DocumentSnapshot): Promise<void> {
    const query = this.query(snapshot, false);
    if (this.current?.controller.signal.aborted === false || isFor(this.ahead, query)) return;
    this.ahead?.controller.abort();
    const controller = new AbortController();
    const result = this.make(snapshot, query, controller.signal, performance.now(), 0)
      .then((trace) => {
        if (trace === undefined || controller.signal.aborted) return undefined;
        this.parts.cache.put(query, trace, false);
        return trace;
      })
      // The request for the same suggestion will meet the error again.
      .catch(() => undefined);
    const running: Running = { query, controller, result };
    this.ahead = running;
    await result;
    if (this.ahead === running) this.ahead = undefined;
  }

  /** The document has changed: cancels what is being made for its old text. */
  edited(uri: string): void {
    if (this.current?.uri === uri) this.current.controller.abort();
    if (this.ahead?.query.uri === uri) this.ahead.controller.abort();
  }

  /** Cancels all work, e.g. when suggestions are switched off. */
  cancel(): void {
    this.current?.controller.abort();
    this.ahead?.controller.abort();
  }

  private query({ context: { uri, prefix, suffix } }: DocumentSnapshot, invoked: boolean): CacheQuery {
    const { settings, modelHash, revision } = this.parts;
    return { uri, prefix, suffix, key: settingsKey(settings(), modelHash()), revision: revision(), invoked };
  }

  private fromCache(snapshot: DocumentSnapshot, query: CacheQuery): Suggestion | undefined {
    const hit = this.parts.cache.get(query);
    if (hit === undefined) return undefined;
    const { trace, suggestion, replaces, typed } = hit;
    this.parts.traces.put({ ...trace, position: snapshot.position, suggestion, cached: true });
    return { id: trace.id, text: suggestion, replaces, whole: trace.suggestion, typed };
  }

  private async make(
    snapshot: DocumentSnapshot,
    { invoked }: CacheQuery,
    signal: AbortSignal,
    arrivedAt: number,
    waitMs: number,
  ): Promise<CompletionTrace | undefined> {
    this.parts.modelNeeded();
    const completer = this.parts.completer();
    if (completer === undefined) return undefined;
    const trace = await completer.complete(
      snapshot.context,
      this.parts.settings(),
      snapshot.position,
      signal,
      arrivedAt,
      {
        invoked,
      },
    );
    if (trace.stopReason === "cancelled") return undefined;
    this.parts.debounce.completed(trace.timings.totalMs - waitMs);
    return { ...trace, timings: { ...trace.timings, waitMs } };
  }
}

function isFor(running: Running | undefined, { uri, prefix, suffix, key }: CacheQuery): boolean {
  const query = running?.query;
  return (
    running?.controller.signal.aborted === false &&
    query?.uri === uri &&
    query.key === key &&
    query.prefix === prefix &&
    query.suffix === suffix
  );
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
