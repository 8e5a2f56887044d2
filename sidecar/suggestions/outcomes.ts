// What becomes of suggestions: counted on this machine alone, and told at once where one was taken whole.

import * as v from "valibot";
import type { Connection } from "vscode-languageserver/node";
import type { TextDocument } from "vscode-languageserver-textdocument";
import type { Log } from "../host/log";
import { messages, type SuggestionCounts } from "../protocol";
import { type Acceptance, Judgement, type Shown } from "./acceptance";
import type { Edit } from "./edits";
import type { CountsStore } from "./usage-counts";

const acceptedSchema = v.object({ id: v.number() });

export interface OutcomesParts {
  readonly log: Log;
  /** Known from `initialize` on. */
  store(): CountsStore;
  /** A suggestion was taken whole and is in the document. */
  taken(acceptance: Acceptance): void;
}

export class Outcomes {
  readonly #parts: OutcomesParts;
  readonly #judgement: Judgement;

  constructor(connection: Connection, parts: OutcomesParts) {
    this.#parts = parts;
    this.#judgement = new Judgement((change) => parts.store().add(change));
    connection.onRequest(messages.counts, (): Promise<SuggestionCounts> => parts.store().read());
    connection.onNotification(messages.accepted, (params: unknown) => {
      const parsed = v.safeParse(acceptedSchema, params);
      if (parsed.success) this.#tell(this.#judgement.accepted(parsed.output.id));
      else
        parts.log.warn(
          `${messages.accepted.method}: expected {id: number}, found ${JSON.stringify(params)}; passed over.`,
        );
    });
  }

  /** A client was given a suggestion. */
  shown(shown: Shown): void {
    this.#judgement.shown(shown);
  }

  /** @returns whether the edits were a suggestion's being taken whole, nobody's typing */
  edited(document: TextDocument, edits: readonly Edit[]): boolean {
    const acceptance = this.#judgement.edited(document.uri, document.getText(), edits);
    this.#tell(acceptance);
    return acceptance !== undefined;
  }

  closed(uri: string): void {
    this.#judgement.closed(uri);
  }

  /** Judges what is still open and writes all of it. Never rejects. */
  async dispose(): Promise<void> {
    this.#judgement.dispose();
    await this.#parts.store().flush();
  }

  #tell(acceptance: Acceptance | undefined): void {
    if (acceptance !== undefined) this.#parts.taken(acceptance);
  }
}
