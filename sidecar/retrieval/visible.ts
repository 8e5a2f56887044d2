// What the prompt will show of the open document, so that no fragment says it a second time.
import type { CursorContext } from "./retrieval";

/** The text around the cursor that the model reads anyway. Lines are 1-based and inclusive. */
export interface VisibleText {
  readonly startLine: number;
  readonly endLine: number;
  /** Its lines, trimmed, without those that say nothing by themselves (blank, lone brackets). */
  readonly lines: ReadonlySet<string>;
}

/** Characters a token of code stands for, on the long side: a line shown in doubt counts as shown. */
const charactersPerToken = 4;
const suffixCharacters = 384;

/** The text of `context` that a prompt of `tokens` tokens shows, at the most. */
export function visibleText(context: CursorContext, tokens: number): VisibleText {
  const before = context.prefix.slice(Math.max(0, context.prefix.length - tokens * charactersPerToken));
  const after = context.suffix.slice(0, suffixCharacters);
  const cursorLine = countNewlines(context.prefix) + 1;
  return {
    startLine: cursorLine - countNewlines(before),
    endLine: cursorLine + countNewlines(after),
    lines: new Set(tellingLines(before + after)),
  };
}

/** Lines of `text`, trimmed, that hold at least one word. */
export function tellingLines(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => /[\p{L}\p{N}_]{2}/u.test(line));
}

function countNewlines(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count += 1;
  return count;
}
