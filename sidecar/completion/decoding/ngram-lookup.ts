// N-gram lookup: how a text continues after the last generated tokens, mixed with the model's probabilities.
import { argmax, type IsAllowed, sumOfExponentials } from "./greedy";

/** Maximum number of tokens compared. */
const maxMatch = 12;
/** Base of the exponential weight by which longer matches count more than shorter ones. */
const matchBase = 4;

/** A place in the text with the same tokens as were generated last. */
export interface Match {
  /** Position of the token after them. */
  readonly next: number;
  /** Number of tokens in common, 1..12. */
  readonly length: number;
  /** How much it counts beside the other matches. */
  readonly vote: number;
}

/**
 * A cache language model over a text that the model has read, since code repeats itself locally: the n-gram cache of Tu, Su
 * and Devanbu, "On the Localness of Software" (FSE 2014), with exponential weights by match length, interpolated with the
 * model's probabilities.
 */
export class NgramLookup {
  private readonly positions = new Map<number, number[]>();
  private readonly history: number[];
  /** For the history as it is; undefined until they are asked for. */
  private currentMatches: readonly Match[] | undefined;

  /**
   * @param text the tokens to look in, usually the prompt
   * @param before the last tokens before the cursor, from which the first lookup starts
   * @param excluded tokens that are never generated (special ones)
   * @param weights `ngramWeights` of the model package; none: the model alone chooses
   */
  constructor(
    private readonly text: readonly number[],
    before: readonly number[],
    private readonly excluded: ReadonlySet<number>,
    private readonly weights: readonly number[] = [],
  ) {
    this.history = before.slice(-maxMatch);
    for (let at = 0; at + 1 < text.length; at++) {
      const token = text[at];
      const next = text[at + 1];
      if (token === undefined || next === undefined || excluded.has(token) || excluded.has(next)) continue;
      const known = this.positions.get(token);
      if (known === undefined) this.positions.set(token, [at]);
      else known.push(at);
    }
  }

  /** Records a generated token. */
  push(token: number): void {
    this.history.push(token);
    this.currentMatches = undefined;
  }

  /** Where the text has the last generated tokens, in the text's order. */
  get matches(): readonly Match[] {
    this.currentMatches ??= (this.positions.get(this.history.at(-1) ?? -1) ?? []).map((at) => {
      const length = this.matchLength(at);
      return { next: at + 1, length, vote: matchBase ** length };
    });
    return this.currentMatches;
  }

  /** The token at a position of the text; undefined for an excluded one and behind the end. */
  tokenAt(position: number): number | undefined {
    const token = this.text[position];
    return token === undefined || this.excluded.has(token) ? undefined : token;
  }

  /**
   * The most likely allowed token, the lowest id where several are equal: by the model's probabilities, mixed with those of
   * the lookup where there are matches. Only the model's favourite and the tokens of the matches can win, so nothing but
   * the sum of the softmax is computed of the rest.
   * @throws RangeError where no token is allowed.
   */
  choose(logits: Float32Array, isAllowed?: IsAllowed): number {
    const favourite = argmax(logits, isAllowed);
    const { matches } = this;
    if (matches.length === 0 || this.weights.length === 0) return favourite;

    const { votes, total, maxLength } = this.count(matches);
    // Lookup and model agree most of the time, and then no probability is needed.
    const agreed = votes.get(favourite) ?? 0;
    if ([...votes.values()].every((vote) => vote <= agreed)) return favourite;

    const maxLogit = isAllowed === undefined ? (logits[favourite] ?? 0) : (logits[argmax(logits)] ?? 0);
    const sum = sumOfExponentials(logits, maxLogit);
    // A sure model has read the text too and needs no help.
    const maxProbability = 1 / sum;
    const weight = (this.weights[Math.min(maxLength, this.weights.length - 1)] ?? 0) * (1 - maxProbability ** 2);
    const probability = (id: number, vote: number) =>
      (Math.exp((logits[id] ?? -Infinity) - maxLogit) / sum) * (1 - weight) + (weight * vote) / total;

    let best = favourite;
    let max = probability(favourite, agreed);
    for (const [id, vote] of votes) {
      if (id >= logits.length || isAllowed?.(id) === false) continue;
      const mixed = probability(id, vote);
      if (mixed > max || (mixed === max && id < best)) {
        best = id;
        max = mixed;
      }
    }
    return best;
  }

  /** The votes for each token that follows a match, their sum, and the length of the longest match. */
  private count(matches: readonly Match[]): { votes: Map<number, number>; total: number; maxLength: number } {
    const votes = new Map<number, number>();
    let total = 0;
    let maxLength = 0;
    for (const { next, length, vote } of matches) {
      const token = this.text[next] ?? 0;
      votes.set(token, (votes.get(token) ?? 0) + vote);
      total += vote;
      maxLength = Math.max(maxLength, length);
    }
    return { votes, total, maxLength };
  }

  private matchLength(at: number): number {
    let length = 0;
    while (length < maxMatch) {
      const token = this.text[at - length];
      if (token === undefined || this.excluded.has(token) || token !== this.history[this.history.length - 1 - length])
        break;
      length += 1;
    }
    return length;
  }
}
