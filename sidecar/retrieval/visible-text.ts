// What the prompt will show of the open document, so that no fragment says it a second time.
import type { Tokenizer } from "../inference/tokenizer";
import type { CursorContext } from "./types";

/** The text around the cursor that the model reads anyway. Lines are 1-based and inclusive. */
export interface VisibleText {
  readonly startLine: number;
  readonly endLine: number;
  /** Its lines, trimmed, without those that say nothing by themselves (blank, lone brackets). */
  readonly lines: ReadonlySet<string>;
}

/** Characters of the suffix that a prompt shows at most. */
export const visibleSuffixCharacters = 384;
/** First guess of the characters that a row of tokens spells; doubled while it is too small. */
const charactersPerToken = 5;

/** The text of `context` that a prompt with `tokens` tokens of code shows, at the most. */
export function visibleText(context: CursorContext, tokens: number, tokenizer: Tokenizer): VisibleText {
  const before = lastTokens(context.prefix, tokens, tokenizer);
  const after = context.suffix.slice(0, visibleSuffixCharacters);
  const cursorLine = countNewlines(context.prefix) + 1;
  return {
    startLine: cursorLine - countNewlines(before),
    endLine: cursorLine + countNewlines(after),
    lines: new Set(tellingLines(before + after)),
  };
}

/** The end of `text` that `count` tokens spell; whole lines are added where a token was cut. */
function lastTokens(text: string, count: number, tokenizer: Tokenizer): string {
  for (let width = count * charactersPerToken; width < text.length; width *= 2) {
    const ids = tokenizer.encode(text.slice(-width));
    if (ids.length <= count) continue;
    const shown = tokenizer.decode(ids.slice(-count)).length;
    return text.slice(text.lastIndexOf("\n", text.length - shown) + 1);
  }
  return text;
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
