// The edits of open documents: where each is, what it removed and what it inserted.
import type { TextDocumentContentChangeEvent, TextDocumentsConfiguration } from "vscode-languageserver/node";
import { TextDocument } from "vscode-languageserver-textdocument";

/** Offsets and lengths in UTF-16 units, in the text as the edits before this one left it. */
export interface Edit {
  readonly offset: number;
  readonly removed: number;
  readonly inserted: string;
}

export type EditListener = (document: TextDocument, edits: readonly Edit[]) => void;

/**
 * A configuration for `TextDocuments` that calls `listener` with the edits of each change, after the whole change: LSP's own
 * events tell only that something changed.
 */
export function documentsWithEdits(listener: EditListener): TextDocumentsConfiguration<TextDocument> {
  return {
    create: (uri, languageId, version, text) => {
      checkStrings({ uri, languageId, text });
      return TextDocument.create(uri, languageId, version, text);
    },
    update: (document, changes, version) => {
      // Each applies to the text after the ones before it.
      const edits = changes.map((change) => {
        const edit = editOf(document, change);
        TextDocument.update(document, [change], version);
        return edit;
      });
      listener(document, edits);
      return document;
    },
  };
}

/** A client may send anything, and a document whose URI is not a string would break every loop over the open documents. */
function checkStrings(members: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(members))
    if (typeof value !== "string")
      throw new TypeError(`expected the ${name} of an opened document to be a string, found ${typeof value}`);
}

function editOf(document: TextDocument, change: TextDocumentContentChangeEvent): Edit {
  if ("range" in change) {
    const [one, other] = [document.offsetAt(change.range.start), document.offsetAt(change.range.end)];
    return { offset: Math.min(one, other), removed: Math.abs(other - one), inserted: change.text };
  }
  return difference(document.getText(), change.text);
}

/** The one edit between two texts, for clients that send the whole text. */
function difference(before: string, after: string): Edit {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) start += 1;
  let end = 0;
  while (end < shorter - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end += 1;
  return { offset: start, removed: before.length - start - end, inserted: after.slice(start, after.length - end) };
}
