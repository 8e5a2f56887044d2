// Removes white space at the end of a suggestion and at the ends of its lines.
import type { SuggestionFilter } from "./filter";

export const trailingSpace: SuggestionFilter = {
  name: "trailing-space",
  apply(suggestion) {
    return { text: suggestion.replace(/[ \t]+(?=\n)/g, "").trimEnd() };
  },
};
