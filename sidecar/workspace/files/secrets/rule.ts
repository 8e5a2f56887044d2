// What a rule for secrets is: keywords that must be in the text, and a search in texts that hold one.

/** A range of a text in UTF-16 units, without the end. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface SecretRule {
  /** What it finds, in words. */
  readonly what: string;
  /** In lower case. Only texts that hold one of them, in upper or lower case, are searched; all texts when there are none. */
  readonly keywords: readonly string[];
  /**
   * The ranges of the secret values. Takes time in proportion to the text, whatever it holds.
   * @param path of the file, with `/`; empty where there is none
   */
  find(text: string, path: string): Iterable<Span>;
}

/**
 * The range of a match's value: the group of that number; by default the group named "value", else the first group that
 * matched, or the whole match when there are no groups.
 */
export function valueSpan(match: RegExpMatchArray, group?: number): Span & { readonly value: string } {
  const found =
    group === undefined
      ? (match.groups?.value ?? match.slice(1).find((each) => each !== undefined && each !== ""))
      : match[group];
  const value = found ?? match[0];
  const start = (match.index ?? 0) + Math.max(0, match[0].lastIndexOf(value));
  return { start, end: start + value.length, value };
}

/** The line of a text that holds the character at `index`. */
export function lineAround(text: string, index: number): string {
  const end = text.indexOf("\n", index);
  return text.slice(text.lastIndexOf("\n", index - 1) + 1, end < 0 ? text.length : end);
}
