// Makes text safe to print: names and code of a workspace may hold characters that a terminal or log obeys.

/**
 * Control characters but for tabs and line breaks, with which terminals move the cursor, change colours or titles, and those
 * that turn the direction of text around.
 */
const obeyed = /(?![\t\n])[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** The text with each such character shown as an escape such as `\u001b`, which is also what JSON has for it. */
export function withoutControls(text: string): string {
  return text.replace(obeyed, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
