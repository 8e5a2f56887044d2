// Mixes what the model expects with what the prompt itself goes on with after the same words: code repeats itself locally.
import { type Admits, mostLikely, sumOfExponentials } from "./greedy";

/** Longest run of tokens compared. */
const longestMatch = 12;
/** How much longer matches count more than shorter ones. */
const matchBase = 4;

/**
 * How much the prompt's own continuation counts beside a model that knows nothing, by the length of the longest match:
 * one token in common says little, five nearly everything. Chosen with `npm run bench` (names defined in another file).
 */
const weightOfMatch: readonly number[] = [0, 0.1, 0.3, 0.5, 0.65, 0.75, 0.8];

/** A place of the prompt that says the same words as what was just said. */
export interface Match {
  /** Position in the prompt of what follows there. */
  readonly next: number;
  /** Tokens in common before it, 1..12. */
  readonly length: number;
  /** How much it counts beside the other matches. */
  readonly vote: number;
}

/**
 * A cache model over the prompt: the n-gram cache of Tu, Su and Devanbu, "On the Localness of Software" (FSE 2014), with
 * exponential weights by match length, interpolated with the model's probabilities.
 */
export class PromptCache {
  private readonly positions = new Map<number, number[]>();
  private readonly history: number[];
  /** Of the history as it is; undefined until somebody asks. */
  private found: readonly Match[] | undefined;

  /**
   * @param prompt the tokens the model reads; whatever follows a match in it may be said again.
   * @param before the last tokens before the cursor, which the first match has to end with.
   * @param excluded tokens that are never said (special ones).
   */
  constructor(
    private readonly prompt: readonly number[],
    before: readonly number[],
    private readonly excluded: ReadonlySet<number>,
  ) {
    this.history = before.slice(-longestMatch);
    for (let at = 0; at + 1 < prompt.length; at++) {
      const token = prompt[at];
      const next = prompt[at + 1];
      if (token === undefined || next === undefined || excluded.has(token) || excluded.has(next)) continue;
      const known = this.positions.get(token);
      if (known === undefined) this.positions.set(token, [at]);
      else known.push(at);
    }
  }

  /** Takes note of a token that was said. */
  push(token: number): void {
    this.history.push(token);
    this.found = undefined;
  }

  /** Where the prompt says what was just said, in the prompt's order. */
  get matches(): readonly Match[] {
    this.found ??= (this.positions.get(this.history.at(-1) ?? -1) ?? []).map((at) => {
      const length = this.matchLength(at);
      return { next: at + 1, length, vote: matchBase ** length };
    });
    return this.found;
  }

  /** The token at a position of the prompt; undefined for one that is never said, and behind the end. */
  sayable(position: number): number | undefined {
    const token = this.prompt[position];
    return token === undefined || this.excluded.has(token) ? undefined : token;
  }

  /**
   * The most likely token among those admitted, the lowest id among equals: by the model's probabilities mixed with the
   * prompt's where it has something to say. Only the model's favourite and what the prompt goes on with can win, so
   * nothing but the sum of the softmax is computed of the rest.
   * @throws RangeError where no token is admitted.
   */
  choose(logits: Float32Array, admits?: Admits): number {
    const favourite = mostLikely(logits, admits);
    const { matches } = this;
    if (matches.length === 0) return favourite;

    const { votes, voted, longest } = this.count(matches);
    // Prompt and model agree mostly, and then no probability is needed.
    const agreed = votes.get(favourite) ?? 0;
    if ([...votes.values()].every((vote) => vote <= agreed)) return favourite;

    const highest = admits === undefined ? (logits[favourite] ?? 0) : (logits[mostLikely(logits)] ?? 0);
    const sum = sumOfExponentials(logits, highest);
    // A sure model has read the prompt too and needs no help.
    const surest = 1 / sum;
    const weight = (weightOfMatch[Math.min(longest, weightOfMatch.length - 1)] ?? 0) * (1 - surest ** 2);
    const probability = (id: number, vote: number) =>
      (Math.exp((logits[id] ?? -Infinity) - highest) / sum) * (1 - weight) + (weight * vote) / voted;

    let best = favourite;
    let most = probability(favourite, votes.get(favourite) ?? 0);
    for (const [id, vote] of votes) {
      if (id >= logits.length || admits?.(id) === false) continue;
      const likely = probability(id, vote);
      if (likely > most || (likely === most && id < best)) {
        best = id;
        most = likely;
      }
    }
    return best;
  }

  /** The votes for each token that follows a match, their sum, and the length of the longest match. */
  private count(matches: readonly Match[]): { votes: Map<number, number>; voted: number; longest: number } {
    const votes = new Map<number, number>();
    let voted = 0;
    let longest = 0;
    for (const { next, length, vote } of matches) {
      const token = this.prompt[next] ?? 0;
      votes.set(token, (votes.get(token) ?? 0) + vote);
      voted += vote;
      longest = Math.max(longest, length);
    }
    return { votes, voted, longest };
  }

  private matchLength(at: number): number {
    let length = 0;
    while (length < longestMatch) {
      const token = this.prompt[at - length];
      if (token === undefined || this.excluded.has(token) || token !== this.history[this.history.length - 1 - length])
        break;
      length += 1;
    }
    return length;
  }
}
