// Removes what the suggestion repeats: the line just typed, the lines above, or its own lines.
import type { SuggestionFilter } from "./filter";
import { isInformative, nonBlankLines } from "./lines";

/** From so many characters on, a repetition of the cursor's line is no coincidence. */
const minRepeatLength = 6;
/** Maximum number of lines above that are compared with those of the suggestion. */
const maxRepeatedLines = 12;

export const repeatsPrefix: SuggestionFilter = {
  name: "repeats-prefix",
  apply(suggestion, { document, cursor }) {
    const typed = cursor.linePrefix.trim();
    const rest = suggestion.trimStart();
    if (typed.length >= minRepeatLength && isInformative(typed) && rest.startsWith(typed)) {
      const text = rest.slice(typed.length);
      return text.trim() === ""
        ? { reject: "is the line just typed" }
        : { text: text.replace(/^[ \t]+/, /\s$/.test(cursor.linePrefix) ? "" : "$&") };
    }

    if (isWrittenAgain(cursor.linePrefix, suggestion)) return { reject: "is the end of the line just typed" };
    const above = nonBlankLines(
      document.prefix.slice(0, document.prefix.length - cursor.linePrefix.length).slice(-4096),
    );
    const lines = nonBlankLines(cursor.linePrefix + suggestion);
    if (lines.length > 0 && lines.some(isInformative) && endsWith(above, lines)) {
      return { reject: lines.length === 1 ? "is the line above" : `is the ${lines.length} lines above` };
    }
    return {
      text: beforeLinesAbove(withoutLoop(suggestion, cursor.linePrefix, above.at(-1)), above, cursor.linePrefix),
    };
  },
};

/** Whether the first line of `suggestion` is the end of the line before the cursor, as what was just accepted would be. */
function isWrittenAgain(linePrefix: string, suggestion: string): boolean {
  const first = (suggestion.split("\n", 1)[0] ?? "").trim();
  return (
    first.length >= minRepeatLength && isInformative(first) && /\W/.test(first) && linePrefix.trimEnd().endsWith(first)
  );
}

/** `suggestion` up to where it begins with the lines above again, the cursor's line included. */
function beforeLinesAbove(suggestion: string, above: readonly string[], linePrefix: string): string {
  const [first = "", ...rest] = suggestion.split("\n");
  const before = [...above, (linePrefix + first).trim()].filter((line) => line !== "");
  const following = nonBlankLines(rest.join("\n"));
  for (let count = Math.min(maxRepeatedLines, following.length, before.length); count > 1; count--) {
    const lines = following.slice(0, count);
    if (lines.some(isInformative) && endsWith(before, lines)) return first;
  }
  return suggestion;
}

function endsWith(lines: readonly string[], tail: readonly string[]): boolean {
  return tail.length <= lines.length && tail.every((line, index) => line === lines[lines.length - tail.length + index]);
}

/** The suggestion up to where an informative line begins to repeat. */
function withoutLoop(suggestion: string, linePrefix: string, above: string | undefined): string {
  const lines = suggestion.split("\n");
  let before = above;
  let runs = 0;
  for (const [index, line] of lines.entries()) {
    const current = (index === 0 ? linePrefix + line : line).trim();
    if (current === "") continue;
    runs = current === before && isInformative(current) ? runs + 1 : 0;
    if (runs >= 1 && index > 0) return lines.slice(0, index).join("\n");
    before = current;
  }
  return suggestion;
}
