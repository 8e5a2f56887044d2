// What a rule of secrets is: words that must be in the text, and what is then found in it.

/** A place in a text: UTF-16 units from its start, the end exclusive. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface SecretRule {
  /** What it finds, for people. */
  readonly what: string;
  /** In small letters. The rule is asked only about texts that hold one of them, in any case; about all texts where it has none. */
  readonly keywords: readonly string[];
  /**
   * Where the values lie that must be kept secret. Takes time in proportion to the text, whatever it holds.
   * @param path of the file, with `/`; empty where there is none
   */
  find(text: string, path: string): Iterable<Span>;
}

/**
 * Where a match's value lies: the group of that number or name, by default the first that took part, or the whole match
 * where there is none.
 */
export function valueSpan(match: RegExpMatchArray, group?: number | string): Span & { readonly value: string } {
  const named = typeof group === "string" ? match.groups?.[group] : undefined;
  const numbered =
    typeof group === "number" ? match[group] : match.slice(1).find((each) => each !== undefined && each !== "");
  const value = named ?? numbered ?? match[0];
  const start = (match.index ?? 0) + Math.max(0, match[0].lastIndexOf(value));
  return { start, end: start + value.length, value };
}

/** A rule that is one expression with the flag `g`, and a judge of what it finds. @param group of the value; see {@link valueSpan} */
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
