// Lexical retrieval as a baseline: BM25 and the Jaccard index of code words, as in CrossCodeEval and RepoCoder.

export type LexicalMethod = "bm25" | "jaccard";

/** Okapi BM25's usual constants; a word repeated in the query counts at most three times. */
const k1 = 1.2;
const b = 0.75;
const maxRepeats = 3;
const queryLines = 20;

/** Identifiers in lower case, each followed by its camel-case and snake-case parts if it has several. */
export function codeWords(text: string): string[] {
  const found: string[] = [];
  for (const [word] of text.matchAll(/[A-Za-z_][A-Za-z0-9_]*/g)) {
    found.push(word.toLowerCase());
    const parts = word.match(/[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+/g) ?? [];
    if (parts.length > 1) for (const part of parts) found.push(part.toLowerCase());
  }
  return found;
}

/** The query: the last lines before the cursor. */
export function lexicalQuery(prefix: string): string {
  return prefix.split("\n").slice(-queryLines).join("\n");
}

interface Counted {
  readonly words: ReadonlyMap<string, number>;
  readonly length: number;
}

/** Word statistics of one repository's fragments, by which texts are scored. */
export class LexicalStatistics {
  private readonly containing = new Map<string, number>();
  private readonly counted = new Map<string, Counted>();
  private readonly average: number;

  constructor(private readonly texts: readonly string[]) {
    let length = 0;
    for (const text of texts) {
      const counted = this.count(text);
      length += counted.length;
      for (const word of counted.words.keys()) this.containing.set(word, (this.containing.get(word) ?? 0) + 1);
    }
    this.average = length / Math.max(1, texts.length);
  }

  /** How well each text answers the query; higher is better. */
  scores(method: LexicalMethod, query: string, texts: readonly string[]): number[] {
    const { words } = count(query);
    return texts.map((text) =>
      method === "bm25" ? this.bm25(words, this.count(text)) : jaccard(words, this.count(text).words),
    );
  }

  private bm25(query: ReadonlyMap<string, number>, { words, length }: Counted): number {
    let sum = 0;
    for (const [word, repeated] of query) {
      const frequency = words.get(word);
      if (frequency === undefined) continue;
      const containing = this.containing.get(word) ?? 0;
      const rarity = Math.log(1 + (this.texts.length - containing + 0.5) / (containing + 0.5));
      sum +=
        ((rarity * frequency * (k1 + 1)) / (frequency + k1 * (1 - b + (b * length) / this.average))) *
        Math.min(repeated, maxRepeats);
    }
    return sum;
  }

  private count(text: string): Counted {
    let known = this.counted.get(text);
    if (known === undefined) {
      known = count(text);
      this.counted.set(text, known);
    }
    return known;
  }
}

function count(text: string): Counted {
  const found = codeWords(text);
  const words = new Map<string, number>();
  for (const word of found) words.set(word, (words.get(word) ?? 0) + 1);
  return { words, length: found.length };
}

function jaccard(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): number {
  let common = 0;
  for (const word of a.keys()) if (b.has(word)) common += 1;
  const union = a.size + b.size - common;
  return union === 0 ? 0 : common / union;
}
