// A document as the model may read it: with plain line breaks, and with its secrets covered.
import type { CursorContext } from "../retrieval/types";
import type { FoundSecret } from "../workspace/files/secrets/find";
import { Redactor } from "../workspace/files/secrets/redact";

export interface CoveredDocument {
  readonly context: CursorContext;
  /** The secret that the cursor is inside of. */
  readonly secret: FoundSecret | undefined;
}

/** Covers documents; the one covered last is covered again in little time. */
export class DocumentCover {
  private readonly redactor = new Redactor();

  cover(document: CursorContext): CoveredDocument {
    const context = withPlainNewlines(document);
    const at = context.prefix.length;
    const { text, secrets } = this.redactor.redact(context.prefix + context.suffix, context.path);
    if (secrets.length === 0) return { context, secret: undefined };
    return {
      context: { ...context, prefix: text.slice(0, at), suffix: text.slice(at) },
      secret: secrets.find(({ start, end }) => start < at && at < end),
    };
  }
}

/** The model and every rule know `\n` alone; editors turn it into the document's own line break when they insert it. */
function withPlainNewlines(document: CursorContext): CursorContext {
  const plain = (text: string) => (text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text);
  return { ...document, prefix: plain(document.prefix), suffix: plain(document.suffix) };
}
