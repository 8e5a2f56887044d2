// Rejects replacement characters and control characters.
import type { SuggestionFilter } from "./filter";

/** Control characters other than tab and line breaks, line and paragraph separators, and marks of text direction. */
const forbidden = /(?![\t\n\r])\p{Cc}|[\u2028\u2029\u202A-\u202E\u2066-\u2069]/u;

export const controlCharacters: SuggestionFilter = {
  name: "control-characters",
  apply(suggestion) {
    if (suggestion.includes("\uFFFD")) return { reject: "holds bytes that are no character" };
    if (forbidden.test(suggestion)) return { reject: "holds a control character" };
    return { text: suggestion.replace(/\r\n?/g, "\n") };
  },
};
