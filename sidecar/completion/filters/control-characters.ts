// Rejects what is no text: replacement characters and control characters.
import type { SuggestionFilter } from "./filter";

/** Control characters but for tab and line breaks, line and paragraph separators, and what turns the direction of text. */
const controlCharacters = /(?![\t\n\r])\p{Cc}|[\u2028\u2029\u202A-\u202E\u2066-\u2069]/u;

export const garbage: SuggestionFilter = {
  name: "garbage",
  apply(suggestion) {
    if (suggestion.includes("\uFFFD")) return { reject: "holds bytes that are no character" };
    if (controlCharacters.test(suggestion)) return { reject: "holds a control character" };
    return { text: suggestion.replace(/\r\n?/g, "\n") };
  },
};
