// Keeps the traces behind the last suggestions and hears which suggestions were taken.
import type { Connection } from "vscode-languageserver/node";
import * as v from "valibot";
import { type CompletionTrace, messages } from "../protocol";
import type { Log } from "./log";

const acceptedSchema = v.object({ id: v.number() });
const traceSchema = v.nullish(v.object({ id: v.optional(v.number()) }));

/** Traces kept. */
const capacity = 50;

export class Traces {
  /** The newest first. */
  #traces: readonly CompletionTrace[] = [];

  constructor(connection: Connection, log: Log) {
    connection.onRequest(messages.trace, (params: unknown) => {
      const parsed = v.safeParse(traceSchema, params);
      return this.find(parsed.success ? parsed.output?.id : undefined) ?? null;
    });
    connection.onRequest(messages.traces, () => this.#traces);
    connection.onNotification(messages.accepted, (params: unknown) => {
      const parsed = v.safeParse(acceptedSchema, params);
      if (parsed.success) log.debug(`Suggestion ${parsed.output.id} was accepted.`);
      else log.warn(`${messages.accepted}: expected {id: number}, found ${JSON.stringify(params)}; passed over.`);
    });
  }

  /** By its id; left out: the last. */
  find(id?: number): CompletionTrace | undefined {
    return id === undefined ? this.#traces[0] : this.#traces.find((trace) => trace.id === id);
  }

  /** Takes in a trace; one of the same id, of a suggestion that was typed along, makes way. */
  put(trace: CompletionTrace): void {
    this.#traces = [trace, ...this.#traces.filter(({ id }) => id !== trace.id)].slice(0, capacity);
  }
}
