// The document as the model may read it: every secret covered.
import type { CursorContext } from "../retrieval/types";
import type { FoundSecret } from "../workspace/files/secrets/find";
import { Redactor } from "../workspace/files/secrets/redact";

export interface RedactedDocument {
  readonly context: CursorContext;
  /** The secret that the cursor is inside of. */
  readonly secret: FoundSecret | undefined;
}

/** Covers the secrets of documents. Covering the same document again after an edit is fast. */
export class DocumentRedactor {
  private readonly redactor = new Redactor();

  redact(document: CursorContext): RedactedDocument {
    const cursor = document.prefix.length;
    const { text, secrets } = this.redactor.redact(document.prefix + document.suffix, document.path);
    if (secrets.length === 0) return { context: document, secret: undefined };
    return {
      context: { ...document, prefix: text.slice(0, cursor), suffix: text.slice(cursor) },
      secret: secrets.find(({ start, end }) => start < cursor && cursor < end),
    };
  }
}
