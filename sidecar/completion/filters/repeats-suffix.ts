// Removes what the document has after the cursor already: on the rest of its line, and on the lines below.

import { indentOf, Scanner } from "../../languages/scanner";
import { type CursorSyntax, fitsRest } from "../syntax/cursor";
import type { SuggestionFilter } from "./filter";
import { isInformative } from "./lines";

export const repeatsSuffix: SuggestionFilter = {
  name: "repeats-suffix",
  apply(suggestion, { document, cursor }) {
    let text = suggestion;
    if (text.trim() === "") return { text };
    if (cursor.lineSuffix.trim() !== "") {
      text = withoutOverlap(text, cursor);
      return text.trim() === "" || (text === suggestion && beginsLike(text, cursor))
        ? { reject: "already stands after the cursor" }
        : { text };
    }

    const below = document.suffix
      .slice(cursor.lineSuffix.length, 4096)
      .split("\n")
      .filter((line) => line.trim() !== "");
    const lines = text.split("\n");
    const first = (cursor.linePrefix + (lines[0] ?? "")).trim();
    if (first !== "" && isInformative(first) && first === below[0]?.trim()) return { reject: "is the line below" };
    text = beforeLineBelow(withoutLinesBelow(text, below, cursor), below[0]);
    return text.trim() === "" ? { reject: "already stands on the lines below" } : { text };
  },
};

/**
 * Whether both begin with the same word, in prose with the same two: then what follows the cursor is written a second time,
 * in other words.
 */
function beginsLike(text: string, { lineSuffix, atCursor }: CursorSyntax): boolean {
  const count = atCursor.insideComment || atCursor.insideString ? 2 : 1;
  const words = (line: string): string[] => line.match(/[\p{L}\p{M}\p{N}_]+/gu)?.slice(0, count) ?? [];
  const following = words(lineSuffix);
  const own = words(text).slice(0, following.length);
  const startAlike = /^\s*[\p{L}\p{M}\p{N}_]{2}/u.test(text) && /^\s*[\p{L}\p{M}\p{N}_]{2}/u.test(lineSuffix);
  return startAlike && following.every((word, index) => word === own[index]);
}

/** Drops the longest end of `text` with which the rest of the line begins, if the line is balanced without it. */
function withoutOverlap(text: string, cursor: CursorSyntax): string {
  const { lineSuffix } = cursor;
  const suffix = lineSuffix.trimStart();
  for (let length = Math.min(text.length, suffix.length); length > 0; length--) {
    const overlap = suffix.slice(0, length);
    if (!text.endsWith(overlap)) continue;
    const rest = text.slice(0, text.length - length);
    // `item` before `s.length` must not lose its own last letter: an overlap starts and ends between words.
    const splitsWord = /\w$/.test(rest) && /^\w/.test(suffix);
    const endsInWord = /\w/.test(overlap.slice(-1)) && /^\w/.test(suffix.slice(length));
    if (splitsWord || endsInWord || !fitsRest(rest, cursor)) continue;
    // A closer may have its own opener.
    if (/^[\s)\]}"'`]+$/.test(overlap) && fitsRest(text, cursor)) continue;
    return suffix === lineSuffix ? rest : rest.trimEnd();
  }
  return text;
}

/** Drops the last lines of `text` that are the first lines below. */
function withoutLinesBelow(text: string, below: readonly string[], cursor: CursorSyntax): string {
  const lines = text.split("\n");
  for (let count = Math.min(lines.length, below.length); count > 0; count--) {
    const tail = lines.slice(lines.length - count);
    const whole = tail.map((line, index) => (lines.length === count && index === 0 ? cursor.linePrefix + line : line));
    if (!whole.every((line, index) => isSameLine(line, below[index] ?? ""))) continue;
    const rest = lines.slice(0, lines.length - count).join("\n");
    if (leavesOpen(rest, cursor) <= leavesOpen(text, cursor)) return rest.trimEnd();
  }
  return text;
}

/** `text` up to the first of its further lines that is the line below. */
function beforeLineBelow(text: string, below: string | undefined): string {
  if (below === undefined || !isInformative(below)) return text;
  const lines = text.split("\n");
  const at = lines.findIndex((line, index) => index > 0 && isSameLine(line, below));
  return at < 0 ? text : lines.slice(0, at).join("\n").trimEnd();
}

/** `end`, `}` and the like are the same only in the same block, which their indentation tells. */
function isSameLine(line: string, other: string): boolean {
  return line.trim() === other.trim() && indentOf(line) === indentOf(other);
}

function leavesOpen(text: string, cursor: CursorSyntax): number {
  return new Scanner(cursor.syntax, cursor.atCursor).read(text).open.length;
}
