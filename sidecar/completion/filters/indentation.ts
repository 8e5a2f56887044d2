// Removes indentation at the start of the suggestion that is before the cursor already.
import { indentOf } from "../../languages/scanner";
import type { SuggestionFilter } from "./filter";

export const indentation: SuggestionFilter = {
  name: "indentation",
  apply(suggestion, { cursor }) {
    const { linePrefix, extent, blockIndent } = cursor;
    if (linePrefix !== "" && /\s$/.test(linePrefix) && linePrefix.trim() !== "" && /^[ \t]/.test(suggestion)) {
      // `return ` and then ` value`: one space is enough.
      return { text: suggestion.replace(/^[ \t]+/, "") };
    }
    if (linePrefix === "" || linePrefix.trim() !== "" || !/^[ \t]/.test(suggestion)) return { text: suggestion };
    // Where the cursor is not indented deeper than the line that opened the block, the indentation is wanted.
    if (extent === "block" && indentOf(linePrefix) <= blockIndent) return { text: suggestion };
    return { text: suggestion.replace(/^[ \t]+/, "") };
  },
};
