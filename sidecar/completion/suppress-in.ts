// Where no suggestion is made: inside a secret, and in comments or strings where the user wants none there.
import type { Settings } from "../protocol";
import type { FoundSecret } from "../workspace/files/secrets/find";
import type { CursorSyntax } from "./syntax/cursor";

/**
 * Why no suggestion is made at the cursor, in words; undefined where one may be. The line below a comment is not part of
 * it. A documentation string is both a comment and a string.
 * @param secret that the cursor is inside of
 */
export function whySuppressed(
  { atCursor, inDocumentation }: CursorSyntax,
  quietIn: Settings["quietIn"],
  secret: FoundSecret | undefined,
): string | undefined {
  if (secret !== undefined) return `the cursor is in what looks like ${secret.what}`;
  const isIn = {
    comments: atCursor.insideComment || (atCursor.insideString && inDocumentation),
    strings: atCursor.insideString,
  };
  for (const place of ["comments", "strings"] as const)
    if (isIn[place] && quietIn.includes(place))
      return `the cursor is in a ${place.slice(0, -1)}, and selfracg.quietIn holds "${place}"`;
  return undefined;
}
