// Rejects what looks like a credential: made up it misleads, remembered it leaks.
import { findSecrets } from "../../workspace/files/secrets/find";
import type { SuggestionFilter } from "./filter";

/** Characters before the cursor that are looked at: names of credentials, and what begins one. */
const looksBack = 400;

export const secret: SuggestionFilter = {
  name: "secret",
  apply(suggestion, { document }) {
    const typed = document.prefix.slice(-looksBack);
    const found = findSecrets(typed + suggestion, document.path).find(({ end }) => end > typed.length);
    return found === undefined ? { text: suggestion } : { reject: `looks like ${found.what}` };
  },
};
