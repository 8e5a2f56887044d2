// The document as the model may read it: `\n` as the only line break, and every secret covered.
import type { CursorContext } from "../retrieval/types";
import type { FoundSecret } from "../workspace/files/secrets/find";
import { Redactor } from "../workspace/files/secrets/redact";

/**
 * `text` with `\n` as the only line break, as {@link CursorContext} has it: the model and every rule know no other, and an
 * editor turns it into the document's own when it inserts a suggestion.
 */
export function plainLineBreaks(text: string): string {
  return text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text;
}

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
