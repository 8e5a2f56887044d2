// Token healing: the last token before the cursor is given again by the model, so that a half-typed word is no border.
import type { Tokenizer } from "../../inference/tokenizer";

/** Prefix for the prompt, and the text after it that the generation has to begin with. */
export interface Healed {
  readonly prefix: string;
  readonly owed: string;
}

/** Characters before the cursor that are looked at to find the last token: longer than any token of code. */
const window = 160;

/**
 * Takes the last token off the prefix. Text in training is cut into tokens as a whole: after `retu` or four spaces of
 * indentation the model has hardly ever seen what would make up the rest, since `return` and the spaces with their
 * word are tokens of their own. Method: "token healing" as in the guidance library.
 */
export function healPrefix(tokenizer: Tokenizer, prefix: string): Healed {
  const end = prefix.slice(-window);
  const ids = tokenizer.encode(end);
  const last = ids.at(-1);
  if (last === undefined || ids.length < 2) return { prefix, owed: "" };
  const owed = tokenizer.decode([last]);
  // A token that is part of a character can not be taken off by itself.
  if (owed.includes("\uFFFD") || !prefix.endsWith(owed)) return { prefix, owed: "" };
  return { prefix: prefix.slice(0, prefix.length - owed.length), owed };
}

/** What is still owed: the tokens that spell it come first, after that every token may come. */
export class Healing {
  private owed: Uint8Array;

  /** @param excluded tokens that spell nothing (special ones) */
  constructor(
    private readonly tokenizer: Tokenizer,
    private readonly excluded: ReadonlySet<number>,
    owed: string,
  ) {
    this.owed = new TextEncoder().encode(owed);
  }

  get done(): boolean {
    return this.owed.length === 0;
  }

  /** Whether `id` goes on spelling what is owed. */
  readonly admits = (id: number): boolean => {
    if (id >= this.tokenizer.vocabularySize) return false;
    const bytes = this.tokenizer.bytesOf(id);
    const length = Math.min(bytes.length, this.owed.length);
    if (length === 0) return false;
    for (let at = 0; at < length; at++) if (bytes[at] !== this.owed[at]) return false;
    // The last question, since nearly all of a vocabulary spells something else.
    return !this.excluded.has(id);
  };

  /** Takes note that `id` was said. */
  pay(id: number): void {
    if (!this.done) this.owed = this.owed.subarray(Math.min(this.owed.length, this.tokenizer.bytesOf(id).length));
  }
}
