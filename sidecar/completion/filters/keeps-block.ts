// Cuts suggestions of several lines so that the block around the cursor does not change.
import { type CursorSyntax, closersAfter, leftOpenBy } from "../syntax/cursor";
import type { SuggestionFilter } from "./filter";

/** Maximum number of lines cut one by one; after that, only the first line stays. */
const maxCuts = 12;

export const keepsBlock: SuggestionFilter = {
  name: "keeps-block",
  apply(suggestion, { cursor }) {
    let text = suggestion;
    for (let cut = 0; text.trim().includes("\n"); cut++) {
      if (isBlockUnchanged(text, cursor)) return { text };
      const end = cut < maxCuts ? text.lastIndexOf("\n") : text.indexOf("\n", text.search(/\S/));
      text = text.slice(0, end).trimEnd();
    }
    return { text };
  },
};

/** An open bracket would take the lines below into its own block. */
function isBlockUnchanged(text: string, cursor: CursorSyntax): boolean {
  if (leftOpenBy(text, cursor).length > 0) return false;
  const { tree } = cursor;
  const closers = closersAfter(text, cursor);
  return (
    tree === undefined || (tree.agrees(text, closers) !== false && (closers === "" || tree.addsNoError(text) !== false))
  );
}
