// A model of the person who types: notices a suggestion, and accepts the part that they were going to write.
import { keysOf } from "./rhythm";

/**
 * Milliseconds that a suggestion must be shown, unchanged except for its typed part, until the person reacts to it: a simple
 * reaction to a visual stimulus takes 200 to 250 ms. Reading a wrong suggestion costs this person nothing.
 */
export const noticeMs = 250;

export type Taking = "whole" | "line" | "words";

export interface Taken {
  readonly how: Taking;
  readonly text: string;
  /** Keys pressed to accept it: one, or one per word. */
  readonly presses: number;
}

/**
 * The longest right part: all of `suggestion`, its first line, or its first words, if that takes fewer keys than typing.
 * @param truth what the person is going to write
 */
export function choose(suggestion: string, truth: string): Taken | undefined {
  const worth = (taken: Taken) => (keysOf(taken.text).length > taken.presses ? taken : undefined);
  // The word "get" is not a right part of "getName".
  const word = /[\p{L}\p{N}_]$/u;
  const splitsWord = (text: string) => word.test(text) && word.test(truth.slice(text.length, text.length + 1));
  if (truth.startsWith(suggestion) && !splitsWord(suggestion))
    return worth({ how: "whole", text: suggestion, presses: 1 });
  const line = /^\r?\n?[^\r\n]*/.exec(suggestion)?.[0] ?? "";
  if (line.trim() !== "" && truth.startsWith(line) && /^\s*(?:$|[\r\n])/.test(truth.slice(line.length)))
    return worth({ how: "line", text: line, presses: 1 });
  let text = "";
  let presses = 0;
  // Spaces belong to the next word, and punctuation is a word of its own, similar to VS Code's "accept next word".
  for (const [next] of suggestion.matchAll(/\s*(?:[\p{L}\p{N}_]+|[^\p{L}\p{N}_\s]+)/gu)) {
    if (!truth.startsWith(text + next) || splitsWord(text + next)) break;
    text += next;
    presses += 1;
  }
  return text === "" ? undefined : worth({ how: "words", text, presses });
}
