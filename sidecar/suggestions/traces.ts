// Keeps the traces of the last suggestions and tells the client of each.
import { LRUCache } from "lru-cache";
import * as v from "valibot";
import type { Connection } from "vscode-languageserver/node";
import { type CompletionTrace, handleRequest, messages } from "../protocol";

/** Maximum number of traces that are remembered. */
const maxTraces = 50;

/** Names a trace by its id; nothing names the last one. */
export const ofTrace = v.nullish(v.object({ id: v.optional(v.number()) }), {});

export class Traces {
  /** By id. */
  private readonly traces = new LRUCache<number, CompletionTrace>({ max: maxTraces });

  constructor(private readonly connection: Connection) {
    handleRequest(connection, messages.trace, ofTrace, "{id?: number}", ({ id }) => this.find(id) ?? null);
    connection.onRequest(messages.traces, () => this.all);
  }

  /** Newest first. */
  get all(): CompletionTrace[] {
    return [...this.traces.values()];
  }

  /** By its id; left out: the last. */
  find(id?: number): CompletionTrace | undefined {
    return id === undefined ? this.all[0] : this.traces.peek(id);
  }

  /** Adds the trace of the last completion. A suggestion that is typed along, or shown again, replaces its earlier trace. */
  put(trace: CompletionTrace): void {
    this.traces.set(trace.id, trace);
    this.connection.sendNotification(messages.completed, trace).catch(() => {
      // The connection is closing; the exit that follows says so.
    });
  }
}
