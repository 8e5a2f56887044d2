// Rejects what is no text: replacement characters and control characters.
import type { SuggestionFilter } from "./filter";

export const garbage: SuggestionFilter = {
  name: "garbage",
  apply(suggestion) {
    if (suggestion.includes("\uFFFD")) return { reject: "holds bytes that are no character" };
    if (
      /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\u2028\u2029\u202A-\u202E\u2066-\u2069]/.test(suggestion)
    ) {
      return { reject: "holds a control character" };
    }
    return { text: suggestion.replace(/\r\n?/g, "\n") };
  },
};
