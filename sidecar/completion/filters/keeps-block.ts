// Cuts suggestions of several lines to those that leave the block around the cursor as it is.
import { type CursorSyntax, closersAfter, leftOpenBy } from "../syntax/cursor";
import type { SuggestionFilter } from "./filter";

/** Lines tried away one by one; what still breaks the block then is left with its first line. */
const mostCuts = 12;

export const keepsBlock: SuggestionFilter = {
  name: "keeps-block",
  apply(suggestion, { cursor }) {
    let text = suggestion;
    for (let cut = 0; text.trim().includes("\n"); cut++) {
      if (keeps(text, cursor)) return { text };
      const end = cut < mostCuts ? text.lastIndexOf("\n") : text.indexOf("\n", text.search(/\S/));
      text = text.slice(0, end).trimEnd();
    }
    return { text };
  },
};

/** A bracket left open would take what stands below into its own block. */
function keeps(text: string, cursor: CursorSyntax): boolean {
  if (leftOpenBy(text, cursor).length > 0) return false;
  const { tree } = cursor;
  const closers = closersAfter(text, cursor);
  return (
    tree === undefined || (tree.agrees(text, closers) !== false && (closers === "" || tree.addsNoError(text) !== false))
  );
}
