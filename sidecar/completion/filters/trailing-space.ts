// Takes white space off the end of a suggestion and off the ends of its lines.
import type { SuggestionFilter } from "./filter";

export const trailingSpace: SuggestionFilter = {
  name: "trailing-space",
  apply(suggestion) {
    return { text: suggestion.replace(/[ \t]+(?=\n)/g, "").trimEnd() };
  },
};
