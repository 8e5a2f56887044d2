// Token healing: the model generates the last token before the cursor again, so that a half-typed word is not cut in two.
import type { Tokenizer } from "../../inference/tokenizer";

export interface HealedPrefix {
  /** The text before the cursor that the prompt holds. */
  readonly prefix: string;
  /** The text between that prefix and the cursor, with which generation has to begin. */
  readonly required: string;
}

/** Characters before the cursor in which the last token is looked for: longer than any token of code. */
const window = 160;

/**
 * Takes the last token off the prefix. Training text is tokenised as a whole: after `retu`, or after four spaces of
 * indentation, the model has hardly ever seen the tokens that would complete them, since `return`, and the spaces together
 * with their word, are tokens of their own. Method: "token healing" of the guidance library.
 */
export function healPrefix(tokenizer: Tokenizer, prefix: string): HealedPrefix {
  const ids = tokenizer.encode(prefix.slice(-window));
  const last = ids.at(-1);
  if (last === undefined || ids.length < 2) return { prefix, required: "" };
  const required = tokenizer.decode([last]);
  // A token that is only part of a character cannot be taken off by itself.
  if (required.includes("\uFFFD") || !prefix.endsWith(required)) return { prefix, required: "" };
  return { prefix: prefix.slice(0, prefix.length - required.length), required };
}

/** Restricts generation to the tokens of a required text until all of it is generated. */
export class RequiredText {
  private rest: Uint8Array;

  /** @param excluded tokens that have no text (special ones) */
  constructor(
    private readonly tokenizer: Tokenizer,
    private readonly excluded: ReadonlySet<number>,
    text: string,
  ) {
    this.rest = new TextEncoder().encode(text);
  }

  /** Whether all of it is generated, so that any token may come. */
  get done(): boolean {
    return this.rest.length === 0;
  }

  /** Whether token `id` continues the required text. */
  readonly allows = (id: number): boolean => {
    if (id >= this.tokenizer.vocabularySize) return false;
    const bytes = this.tokenizer.bytesOf(id);
    const length = Math.min(bytes.length, this.rest.length);
    if (length === 0) return false;
    for (let at = 0; at < length; at++) if (bytes[at] !== this.rest[at]) return false;
    // Last, since nearly all of a vocabulary has other text.
    return !this.excluded.has(id);
  };

  /** Records that token `id` was generated. */
  consume(id: number): void {
    if (!this.done) this.rest = this.rest.subarray(Math.min(this.rest.length, this.tokenizer.bytesOf(id).length));
  }
}
