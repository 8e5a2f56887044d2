// Mixes what the model expects with what the prompt itself goes on with after the same words: code repeats itself locally.

/** Longest run of tokens compared. */
const longestMatch = 12;
/** How much longer matches count more than shorter ones. */
const matchBase = 4;

/**
 * How much the prompt's own continuation counts beside a model that knows nothing, by the length of the longest match:
 * one token in common says little, five nearly everything. Chosen with `npm run bench` (names defined in another file).
 */
const weightOfMatch: readonly number[] = [0, 0.1, 0.3, 0.5, 0.65, 0.75, 0.8];

/**
 * A cache model over the prompt: the n-gram cache of Tu, Su and Devanbu, "On the Localness of Software" (FSE 2014), with
 * exponential weights by match length, interpolated with the model's probabilities.
 */
export class PromptCache {
  private readonly positions = new Map<number, number[]>();
  private readonly history: number[];

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
  }

  /** The probability of every token: the model's, mixed with the prompt's where it has something to say. */
  mix(logits: Float32Array): Float32Array {
    const probabilities = softmax(logits);
    const last = this.history.at(-1);
    const found = last === undefined ? undefined : this.positions.get(last);
    if (found === undefined) return probabilities;

    const votes = new Map<number, number>();
    let sum = 0;
    let longest = 0;
    for (const at of found) {
      const next = this.prompt[at + 1];
      if (next === undefined) continue;
      const length = this.matchLength(at);
      const vote = matchBase ** length;
      votes.set(next, (votes.get(next) ?? 0) + vote);
      sum += vote;
      longest = Math.max(longest, length);
    }
    // A sure model has read the prompt too and needs no help.
    let surest = 0;
    for (const probability of probabilities) if (probability > surest) surest = probability;
    const weight = (weightOfMatch[Math.min(longest, weightOfMatch.length - 1)] ?? 0) * (1 - surest ** 2);
    for (let id = 0; id < probabilities.length; id++) probabilities[id] = (probabilities[id] ?? 0) * (1 - weight);
    for (const [id, vote] of votes) probabilities[id] = (probabilities[id] ?? 0) + (weight * vote) / sum;
    return probabilities;
  }

  private matchLength(at: number): number {
    let length = 0;
    while (length < longestMatch) {
      const token = this.prompt[at - length];
      if (token === undefined || this.excluded.has(token) || token !== this.history[this.history.length - 1 - length]) break;
      length += 1;
    }
    return length;
  }
}

function softmax(logits: Float32Array): Float32Array {
  let highest = -Infinity;
  for (const logit of logits) if (logit > highest) highest = logit;
  const probabilities = logits.map((logit) => Math.exp(logit - highest));
  let sum = 0;
  for (const probability of probabilities) sum += probability;
  return probabilities.map((probability) => probability / sum);
}
