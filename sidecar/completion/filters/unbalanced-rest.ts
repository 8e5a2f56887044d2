// Balances brackets and quotes: cuts closers that the code after the cursor has, rejects openers that nothing closes.

import { Scanner } from "../../languages/scanner";
import { type CursorSyntax, leftOpenBy } from "../syntax/cursor";
import type { SuggestionFilter } from "./filter";

export const unbalancedRest: SuggestionFilter = {
  name: "unbalanced-rest",
  apply(suggestion, { document, cursor }) {
    const text = withoutUnmatchedClosers(suggestion, cursor);
    if (text.trim() === "") {
      return suggestion.trim() === "" ? { text } : { reject: "only closes what is closed after the cursor" };
    }
    const open = firstLeftOpen(text, cursor, document.suffix);
    if (open === undefined) return { text };

    // Whole lines before the opener can still be used.
    for (let end = text.lastIndexOf("\n"); end > 0; end = text.lastIndexOf("\n", end - 1)) {
      const lines = text.slice(0, end).trimEnd();
      if (lines.trim() !== "" && firstLeftOpen(lines, cursor, document.suffix) === undefined) return { text: lines };
    }
    return { reject: `leaves ${open} open` };
  },
};

/** `text` up to the first closer that closes nothing in it and nothing that is open before the cursor. */
function withoutUnmatchedClosers(text: string, cursor: CursorSyntax): string {
  const scanner = new Scanner(cursor.syntax, cursor.atCursor).read(text);
  for (const [index, closer] of scanner.unmatched.entries()) {
    if (cursor.closable[cursor.closable.length - 1 - index]?.close !== closer.close)
      return text.slice(0, closer.offset).trimEnd();
  }
  return text;
}

/**
 * The first opener that must not stay open: a string, or a `(` or `[` with something in it. The `{` of a block may, and so
 * may an opener at the very end: what is typed next goes inside it.
 */
function firstLeftOpen(text: string, cursor: CursorSyntax, suffix: string): string | undefined {
  const scanner = new Scanner(cursor.syntax, cursor.atCursor).read(text);
  const quote = cursor.atCursor.insideString ? undefined : scanner.closingQuote;
  if (quote !== undefined && !(scanner.insideMultiline ? suffix : cursor.lineSuffix).includes(quote)) return "a string";
  if (scanner.open.at(-1)?.offset === text.trimEnd().length - 1) return undefined;
  return leftOpenBy(text, cursor).find((bracket) => bracket.open !== "{")?.open;
}
