// Rejects what looks like a credential: an invented one misleads, a memorised one leaks.
import { findSecrets } from "../../workspace/files/secrets/find";
import type { SuggestionFilter } from "./filter";

/** Characters before the cursor that are examined: they may name a credential or begin one. */
const maxLookback = 400;

export const secret: SuggestionFilter = {
  name: "secret",
  apply(suggestion, { document }) {
    const typed = document.prefix.slice(-maxLookback);
    const found = findSecrets(typed + suggestion, document.path).find(({ end }) => end > typed.length);
    return found === undefined ? { text: suggestion } : { reject: `looks like ${found.what}` };
  },
};
