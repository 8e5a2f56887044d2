// Cuts a suggestion before the first closing bracket whose opening one the code after the cursor closes.
import { Scanner } from "../../languages/scanner";
import type { SuggestionFilter } from "./filter";

export const unmatchedClosers: SuggestionFilter = {
  name: "unmatched-closers",
  apply(suggestion, { cursor }) {
    const scanner = new Scanner(cursor.syntax, cursor.atCursor).read(suggestion);
    const extra = scanner.unmatched.find(
      ({ close }, index) => cursor.closable[cursor.closable.length - 1 - index]?.close !== close,
    );
    if (extra === undefined) return { text: suggestion };
    const text = suggestion.slice(0, extra.offset).trimEnd();
    return text.trim() === "" ? { reject: "only closes what is closed after the cursor" } : { text };
  },
};
