// Keeps the trace behind the last suggestion and hears which suggestions were taken.
import type { Connection } from "vscode-languageserver/node";
import * as v from "valibot";
import { type CompletionTrace, messages } from "../protocol";
import type { Log } from "./log";

const acceptedSchema = v.object({ id: v.number() });

export class Traces {
  #last: CompletionTrace | null = null;

  constructor(connection: Connection, log: Log) {
    connection.onRequest(messages.trace, () => this.#last);
    connection.onNotification(messages.accepted, (params: unknown) => {
      const parsed = v.safeParse(acceptedSchema, params);
      if (parsed.success) log.debug(`Suggestion ${parsed.output.id} was accepted.`);
      else log.warn(`${messages.accepted}: expected {id: number}, found ${JSON.stringify(params)}; passed over.`);
    });
  }

  get last(): CompletionTrace | null {
    return this.#last;
  }

  put(trace: CompletionTrace): void {
    this.#last = trace;
  }
}
