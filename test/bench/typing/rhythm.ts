// The intervals between a person's keystrokes.
import { randomNumbers } from "../random";

/**
 * Milliseconds between two keys: log-normal, a shape that fits timings of free text well (González et al., "On the shape of
 * timings distributions in free-text keystroke dynamics profiles", Heliyon 2021). The medians are a fast typist's, about
 * nine keys a second inside words, because that is the difficult case: most requests are cancelled by the next key. The
 * mean of 168,000 people is 52 words a minute, half as fast (Dhakal et al., "Observations on Typing from 136 Million
 * Keystrokes", CHI 2018), which is `--speed 0.5`. Intervals before words and lines are longer, because people think there.
 * Pauses of seconds, which programmers do make (Shrestha et al., "Pausing While Programming", ICSE-SEET 2022), are
 * omitted: a suggestion is only read in them.
 */
export const medianMs = { inWord: 110, mark: 150, wordStart: 200, lineStart: 600 } as const;

/** Standard deviation of the logarithm. */
const spread = 0.35;

/** The text of a keystroke: a character, or a line break with the indentation that the editor adds. */
export function keysOf(text: string): string[] {
  return text.match(/\r?\n[ \t]*|[\s\S]/gu) ?? [];
}

/** @returns a function from the previous and the next key to the milliseconds between them. The same seed gives the same rhythm */
export function createRhythm(seed: number, speed: number): (before: string, key: string) => number {
  const random = randomNumbers(seed);
  return (before, key) => {
    // A normal deviate by the Box-Muller transform; 1 - random() is never 0.
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return (medianMs[kindOf(before, key)] * Math.exp(spread * normal)) / speed;
  };
}

function kindOf(before: string, key: string): keyof typeof medianMs {
  const word = /[\p{L}\p{N}_]$/u;
  if (/\n[ \t]*$/.test(before)) return "lineStart";
  if (!word.test(key)) return "mark";
  return word.test(before) ? "inWord" : "wordStart";
}
