// Token healing: the last token before the cursor is given again by the model, so that a half-typed word is no border.
import type { Tokenizer } from "../inference/tokenizer";

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

/** Chooses tokens that spell the owed text first; after that every token may come. */
export class HealingChooser {
  private owed: Uint8Array;

  constructor(
    private readonly tokenizer: Tokenizer,
    private readonly excluded: ReadonlySet<number>,
    owed: string,
  ) {
    this.owed = new TextEncoder().encode(owed);
  }

  /** Whether `id` goes on spelling what is owed. */
  private fits(id: number): boolean {
    if (this.excluded.has(id)) return false;
    const bytes = this.tokenizer.bytesOf(id);
    const length = Math.min(bytes.length, this.owed.length);
    if (length === 0) return false;
    for (let at = 0; at < length; at++) if (bytes[at] !== this.owed[at]) return false;
    return true;
  }

  get done(): boolean {
    return this.owed.length === 0;
  }

  /** The most likely token that goes on spelling what is owed, and takes note of it. */
  choose(logits: Float32Array): number {
    let best = -1;
    for (let id = 0; id < logits.length; id++) {
      if ((best < 0 || (logits[id] ?? -Infinity) > (logits[best] ?? -Infinity)) && id < this.tokenizer.vocabularySize && this.fits(id)) best = id;
    }
    if (best < 0) throw new RangeError("expected a token for every byte in the vocabulary, found none: use a byte-level tokenizer");
    this.owed = this.owed.slice(Math.min(this.owed.length, this.tokenizer.bytesOf(best).length));
    return best;
  }
}
