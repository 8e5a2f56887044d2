// What becomes of suggestions: counted on this machine alone, and told at once where one was taken whole.

import type { Connection } from "vscode-languageserver/node";
import type { TextDocument } from "vscode-languageserver-textdocument";
import { messages, type SuggestionCounts } from "../protocol";
import { type Acceptance, Judgement, type Shown } from "./acceptance";
import type { Edit } from "./edits";
import type { CountsStore } from "./usage-counts";

export interface OutcomesParts {
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

  /** The editor reports that the suggestion with this id was accepted whole. */
  accepted(id: number): void {
    this.#tell(this.#judgement.accepted(id));
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
