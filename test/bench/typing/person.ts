// What the person who types does with a suggestion: looks, and takes of it what they were going to write.
import { keysOf } from "./rhythm";

/**
 * How long a suggestion must have been there, unchanged but for what was typed of it, to be noticed and answered: a simple
 * reaction to something seen takes a fifth to a quarter of a second. Reading something wrong costs this person nothing.
 */
export const noticeMs = 250;

export type Taking = "whole" | "line" | "words";

export interface Taken {
  readonly how: Taking;
  readonly text: string;
  /** Keys pressed to take it: one, but one a word where it is taken by words. */
  readonly presses: number;
}

/**
 * The most that is right: all of `suggestion`, its first line, or its first words, where that takes fewer keys than typing.
 * @param truth what the person is going to write
 */
export function choose(suggestion: string, truth: string): Taken | undefined {
  const worth = (taken: Taken) => (keysOf(taken.text).length > taken.presses ? taken : undefined);
  // "get" of "getName" is not what they write.
  const word = /[\p{L}\p{N}_]$/u;
  const splitsWord = (text: string) => word.test(text) && word.test(truth.slice(text.length, text.length + 1));
  if (truth.startsWith(suggestion) && !splitsWord(suggestion))
    return worth({ how: "whole", text: suggestion, presses: 1 });
  const line = /^\r?\n?[^\r\n]*/.exec(suggestion)?.[0] ?? "";
  if (line.trim() !== "" && truth.startsWith(line) && /^\s*(?:$|[\r\n])/.test(truth.slice(line.length)))
    return worth({ how: "line", text: line, presses: 1 });
  let text = "";
  let presses = 0;
  // Spaces go with the word behind them, marks are a word of their own: about as VS Code's "accept next word" has it.
  for (const [next] of suggestion.matchAll(/\s*(?:[\p{L}\p{N}_]+|[^\p{L}\p{N}_\s]+)/gu)) {
    if (!truth.startsWith(text + next) || splitsWord(text + next)) break;
    text += next;
    presses += 1;
  }
  return text === "" ? undefined : worth({ how: "words", text, presses });
}
