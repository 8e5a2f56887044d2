// Keeps the traces behind the last suggestions, and of fewer of them what is needed to compute them again.
import { type Connection, ErrorCodes, ResponseError } from "vscode-languageserver/node";
import * as v from "valibot";
import { type CompletionTrace, messages, type Settings } from "../protocol";
import type { CursorContext } from "../retrieval/retrieval";

/** What the inspector needs to compute a completion again. */
export interface InspectedCompletion {
  readonly context: CursorContext;
  readonly settings: Settings;
}

/** `selfracg/traces` gives no more. */
const mostTraces = 50;
/** Each holds the text of a document. */
const mostInspected = 20;

const paramsSchema = v.nullish(v.object({ id: v.optional(v.number()) }));

export class Traces {
  /** By id, the last one put in last. */
  readonly #traces = new Map<number, CompletionTrace>();
  readonly #inspected = new Map<number, InspectedCompletion>();

  constructor(connection: Connection) {
    connection.onRequest(messages.trace, (params: unknown): CompletionTrace | null | ResponseError<void> => {
      const parsed = v.safeParse(paramsSchema, params);
      if (!parsed.success) return new ResponseError(ErrorCodes.InvalidParams, `${messages.trace}: expected {id?: number}, found ${JSON.stringify(params)}.`);
      return this.find(parsed.output?.id) ?? null;
    });
    connection.onRequest(messages.traces, () => this.all);
  }

  /** Newest first. */
  get all(): readonly CompletionTrace[] {
    return [...this.#traces.values()].reverse();
  }

  /** By its id; left out: the last. */
  find(id?: number): CompletionTrace | undefined {
    return id === undefined ? [...this.#traces.values()].at(-1) : this.#traces.get(id);
  }

  /**
   * The last completion that a client was given. One that is typed along, or come back to, replaces what was known of it.
   * @param inspected left out: as it was put or held before
   */
  put(trace: CompletionTrace, inspected?: InspectedCompletion): void {
    putLast(this.#traces, trace.id, trace, mostTraces);
    const kept = inspected ?? this.#inspected.get(trace.id);
    if (kept !== undefined) this.hold(trace.id, kept);
  }

  /** For a completion that nobody was given yet. */
  hold(id: number, inspected: InspectedCompletion): void {
    putLast(this.#inspected, id, inspected, mostInspected);
  }

  /** Undefined when it is no longer held. */
  inspected(id: number): InspectedCompletion | undefined {
    return this.#inspected.get(id);
  }
}

function putLast<T>(into: Map<number, T>, id: number, value: T, most: number): void {
  into.delete(id);
  into.set(id, value);
  for (const oldest of into.keys()) {
    if (into.size <= most) break;
    into.delete(oldest);
  }
}
