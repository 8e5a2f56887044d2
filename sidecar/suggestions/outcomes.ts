// Counts on this machine what becomes of suggestions, and reports the ones that were accepted whole.

import type { Connection } from "vscode-languageserver/node";
import type { TextDocument } from "vscode-languageserver-textdocument";
import { messages, type SuggestionCounts } from "../protocol";
import { type Acceptance, AcceptanceTracker, type ShownSuggestion } from "./acceptance";
import type { Edit } from "./edits";
import type { CountsStore } from "./usage-counts";

export interface OutcomesParts {
  /** Known from `initialize` on. */
  store(): CountsStore;
  /** Called when a suggestion was accepted whole and the document holds it. */
  onAccepted(acceptance: Acceptance): void;
}

export class Outcomes {
  private readonly tracker: AcceptanceTracker;

  constructor(
    connection: Connection,
    private readonly parts: OutcomesParts,
  ) {
    this.tracker = new AcceptanceTracker((change) => parts.store().add(change));
    connection.onRequest(messages.counts, (): Promise<SuggestionCounts> => parts.store().read());
  }

  /** A client was given a suggestion. */
  shown(shown: ShownSuggestion): void {
    this.tracker.shown(shown);
  }

  /** @returns whether the edits accept a suggestion whole, so that nobody typed them */
  edited(document: TextDocument, edits: readonly Edit[]): boolean {
    const acceptance = this.tracker.edited(document.uri, document.getText(), edits);
    this.report(acceptance);
    return acceptance !== undefined;
  }

  /** The editor reports that the suggestion with this id was accepted whole. */
  accepted(id: number): void {
    this.report(this.tracker.accepted(id));
  }

  closed(uri: string): void {
    this.tracker.closed(uri);
  }

  /** Ends the suggestion that is shown and writes the counts. Never rejects. */
  async dispose(): Promise<void> {
    this.tracker.dispose();
    await this.parts.store().flush();
  }

  private report(acceptance: Acceptance | undefined): void {
    if (acceptance !== undefined) this.parts.onAccepted(acceptance);
  }
}
