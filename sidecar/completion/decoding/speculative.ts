// Drafts of what comes next, taken from the prompt or the last suggestion, and verified several tokens at a time.
import { type Backbone, type KvCache, mostDecodedTokens } from "../../inference/backbone";
import type { PromptCache } from "./ngram-lookup";

/**
 * What the prompt goes on with after the longest runs of tokens in common with what was just said, at most `most`
 * tokens: at every step the continuation with the most votes, among the places that went the same way so far.
 * Method: prompt lookup decoding (Saxena, 2023), speculative decoding with the prompt in place of a draft model.
 */
export function draftFrom(promptCache: PromptCache, most: number): number[] {
  let live = promptCache.matches;
  const draft: number[] = [];
  while (draft.length < most) {
    const votes = new Map<number, number>();
    let best: number | undefined;
    let highest = 0;
    for (const { next, vote } of live) {
      const token = promptCache.sayable(next + draft.length);
      if (token === undefined) continue;
      const sum = (votes.get(token) ?? 0) + vote;
      votes.set(token, sum);
      // Of equals the one nearest to the cursor.
      if (sum >= highest) {
        highest = sum;
        best = token;
      }
    }
    if (best === undefined) break;
    const ahead = draft.length;
    draft.push(best);
    live = live.filter(({ next }) => promptCache.sayable(next + ahead) === best);
  }
  return draft;
}

/** Most tokens worth drafting by the tokens in common: one says little, three and more all that a longer run says. */
const mostAfterMatch: readonly number[] = [0, 1, 4, mostDecodedTokens - 1];
/** Tokens drafted at first, added when all of them proved right, and drafted at the least after some proved wrong. */
const first = 6;
const growth = 4;
const least = 3;

/**
 * How many tokens to draft: more after drafts that proved right to the end, about as many as proved right after others.
 * The numbers are those with the shortest time over the Python tasks of CrossCodeEval with the right fragments in the
 * prompt, where a further token in a run costs 0.05 to 0.12 of the run: 3.4 tokens a run there, 2.1 in the TypeScript tasks and
 * 5.1 in Java's, 2.8, 1.6 and 3.1 times as fast as without drafts.
 */
export class DraftLength {
  private length = first;

  /** Tokens to draft where `matched` tokens are in common with the prompt. */
  after(matched: number): number {
    return Math.min(this.length, mostAfterMatch[Math.min(matched, mostAfterMatch.length - 1)] ?? 0);
  }

  /** Takes note that `right` of `drafted` tokens were chosen. */
  note(drafted: number, right: number): void {
    this.length =
      right === drafted
        ? Math.min(mostDecodedTokens - 1, this.length + growth)
        : Math.max(least, Math.min(this.length, right + 1));
  }
}

export interface DraftingOptions {
  /** False: every token is read by itself. */
  readonly drafting: boolean;
  /** What to draft from, the first where several know as much. */
  readonly sources: readonly PromptCache[];
  readonly signal: AbortSignal | undefined;
}

interface Ahead {
  readonly tokens: readonly number[];
  readonly logits: readonly Float32Array[];
  /** How many of them were chosen. */
  right: number;
}

/**
 * Reads the tokens that were chosen and gives the logits after each, as one decode a token would. Reads a draft along
 * with a token, so that the logits after the next ones are there already when these are chosen as drafted; what is
 * chosen otherwise makes it forget the rest of the draft.
 */
export class DraftingReader {
  /** Runs of the model so far. */
  steps = 0;
  /** What was drafted and is not chosen yet, with the logits after each token of it. */
  private ahead: Ahead = { tokens: [], logits: [], right: 0 };
  private readonly length = new DraftLength();

  constructor(
    private readonly backbone: Backbone,
    private cache: KvCache,
    private readonly options: DraftingOptions,
  ) {}

  /**
   * The logits after `token`, which was chosen and noted in every source.
   * @param most tokens that can follow it and still be read
   * @throws AbortError when aborted
   */
  async read(token: number, most: number): Promise<Float32Array> {
    const { ahead } = this;
    const known = ahead.tokens[ahead.right] === token ? ahead.logits[ahead.right] : undefined;
    if (known !== undefined) {
      ahead.right += 1;
      return known;
    }
    if (ahead.tokens.length > 0) this.length.note(ahead.tokens.length, ahead.right);
    const wrong = ahead.tokens.length - ahead.right;
    if (wrong > 0) this.cache = this.backbone.rewind(this.cache, this.cache.length - wrong);
    const { drafting, signal } = this.options;
    const tokens = drafting ? this.draft(most) : [];
    const { cache, logits } = await this.backbone.decode(this.cache, [token, ...tokens], signal);
    const [after, ...rest] = logits;
    if (after === undefined)
      throw new RangeError("expected the logits after the token read, found none: install the model package again");
    this.steps += 1;
    this.cache = cache;
    this.ahead = { tokens, logits: rest, right: 0 };
    return after;
  }

  private draft(most: number): readonly number[] {
    let best: PromptCache | undefined;
    let matched = 0;
    for (const source of this.options.sources) {
      const longest = source.matches.reduce((most, { length }) => Math.max(most, length), 0);
      if (longest > matched) {
        matched = longest;
        best = source;
      }
    }
    return best === undefined ? [] : draftFrom(best, Math.min(most, this.length.after(matched)));
  }
}
