// Removes white space at the end of a suggestion and at the ends of its lines.
import type { SuggestionFilter } from "./filter";

export const trailingSpace: SuggestionFilter = {
  name: "trailing-space",
  apply(suggestion, { cursor }) {
    const text = suggestion.replace(/[ \t]+(?=\n)/g, "").trimEnd();
    // `await ` before `value` must not become `awaitvalue`.
    const isBetween = /^\S/.test(cursor.lineSuffix) && /[ \t]$/.test(suggestion);
    return { text: isBetween && text !== "" ? `${text} ` : text };
  },
};
