// Rejects a suggestion that would insert nothing visible.
import type { SuggestionFilter } from "./filter";

export const empty: SuggestionFilter = {
  name: "empty",
  apply(suggestion) {
    if (suggestion === "") return { reject: "is empty" };
    return suggestion.trim() === "" ? { reject: "is only white space" } : { text: suggestion };
  },
};
