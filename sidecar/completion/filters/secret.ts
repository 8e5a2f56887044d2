// Rejects what looks like a credential: made up it misleads, remembered it leaks.
import type { SuggestionFilter } from "./filter";

/** Shapes that issuers publish for their credentials, and key material. */
const shapes: readonly (readonly [what: string, shape: RegExp])[] = [
  ["a private key", /-----BEGIN [A-Z ]*PRIVATE KEY/],
  ["a cloud access key", /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/],
  ["an access token", /\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abprs]-[\w-]{10,}|sk-[A-Za-z0-9_-]{20,}|AIza[\w-]{30,})/],
  ["a JSON web token", /\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\./],
];
const assignment = /(?:password|passwd|secret|token|api_?key)["']?\s*[:=]\s*["']([^"'\s]{12,})["']/i;

export const secret: SuggestionFilter = {
  name: "secret",
  apply(suggestion, { cursor }) {
    const typed = cursor.linePrefix.slice(-200);
    const line = typed + suggestion;
    for (const [what, shape] of shapes) if (shape.test(line) && !shape.test(typed)) return { reject: `looks like ${what}` };
    const value = assignment.exec(line)?.[1];
    // A word or a placeholder is no secret; a mix of digits and letters of both cases may be one.
    if (value !== undefined && /\d/.test(value) && /[a-z]/i.test(value) && !/[{<$]/.test(value)) return { reject: "looks like a credential" };
    return { text: suggestion };
  },
};
