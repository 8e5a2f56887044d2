// Whether the user wants no suggestion where the cursor stands: in comments, in strings.
import type { Settings } from "../protocol";
import type { CursorSyntax } from "./syntax/cursor";

/** Why none is made, in words; undefined where one may be. The line below a comment is no part of it; documentation strings are both. */
export function whyQuiet(
  { atCursor, inDocumentation }: CursorSyntax,
  quietIn: Settings["quietIn"],
): string | undefined {
  const off = (place: "comments" | "strings", is: boolean): string | undefined =>
    is && quietIn.includes(place)
      ? `the cursor is in a ${place.slice(0, -1)}, and selfracg.quietIn holds "${place}"`
      : undefined;
  return (
    off("comments", atCursor.insideComment || (atCursor.insideString && inDocumentation)) ??
    off("strings", atCursor.insideString)
  );
}
