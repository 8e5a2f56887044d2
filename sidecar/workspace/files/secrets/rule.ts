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
 * The range of a match's value: the group of that number or name, by default the first group that matched, or the whole match
 * when there are no groups.
 */
export function valueSpan(match: RegExpMatchArray, group?: number | string): Span & { readonly value: string } {
  const named = typeof group === "string" ? match.groups?.[group] : undefined;
  const numbered =
    typeof group === "number" ? match[group] : match.slice(1).find((each) => each !== undefined && each !== "");
  const value = named ?? numbered ?? match[0];
  const start = (match.index ?? 0) + Math.max(0, match[0].lastIndexOf(value));
  return { start, end: start + value.length, value };
}

/** A rule with one expression with the flag `g`. @param accepts whether a match is a secret. @param group of the value; see {@link valueSpan} */
export function expressionRule(
  what: string,
  keywords: readonly string[],
  pattern: RegExp,
  accepts: (value: string, match: RegExpMatchArray) => boolean = () => true,
  group?: number | string,
): SecretRule {
  return {
    what,
    keywords,
    *find(text) {
      for (const match of text.matchAll(pattern)) {
        const { value, start, end } = valueSpan(match, group);
        if (accepts(value, match)) yield { start, end };
      }
    },
  };
}
