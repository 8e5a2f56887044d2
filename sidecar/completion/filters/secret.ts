// Rejects what looks like a credential: made up it misleads, remembered it leaks.
import { findSecret } from "../../workspace/secrets";
import type { SuggestionFilter } from "./filter";

/** Characters of the cursor's line that are looked at. */
const looksBack = 200;
/** A value given to what is named like a credential, whoever issued it. */
const assignment = /(?:password|passwd|secret|token|api_?key)["']?\s*[:=]\s*["']([^"'\s]{12,})["']/i;

export const secret: SuggestionFilter = {
  name: "secret",
  apply(suggestion, { cursor }) {
    const typed = cursor.linePrefix.slice(-looksBack);
    const line = typed + suggestion;
    const found = findSecret(line);
    if (found !== undefined && findSecret(typed) === undefined) return { reject: `looks like ${found.what}` };
    const value = assignment.exec(line)?.[1];
    // A word or a placeholder is no secret; a mix of digits and letters of both cases may be one.
    if (value !== undefined && /\d/.test(value) && /[a-z]/i.test(value) && !/[{<$]/.test(value))
      return { reject: "looks like a credential" };
    return { text: suggestion };
  },
};
