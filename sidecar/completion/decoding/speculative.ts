// Speculative decoding: drafts the next tokens from the prompt or the last suggestion and verifies several in one run.
import { type Backbone, type KvCache, maxDecodedTokens } from "../../inference/backbone";
import type { NgramLookup } from "./ngram-lookup";

/**
 * At most `max` tokens that continue the longest matches: at every step the token with the most votes, among the matches that
 * agree with the draft so far.
 * Method: prompt lookup decoding (Saxena, 2023), speculative decoding with the prompt in place of a draft model.
 */
export function draftFrom(lookup: NgramLookup, max: number): number[] {
  let { matches } = lookup;
  const draft: number[] = [];
  while (draft.length < max) {
    const position = draft.length;
    const votes = new Map<number, number>();
    let best: number | undefined;
    let maxVotes = 0;
    for (const { next, vote } of matches) {
      const token = lookup.tokenAt(next + position);
      if (token === undefined) continue;
      const sum = (votes.get(token) ?? 0) + vote;
      votes.set(token, sum);
      // Among equals the one nearest to the cursor.
      if (sum >= maxVotes) {
        maxVotes = sum;
        best = token;
      }
    }
    if (best === undefined) break;
    draft.push(best);
    matches = matches.filter(({ next }) => lookup.tokenAt(next + position) === best);
  }
  return draft;
}

/** Maximum tokens worth drafting, by the length of the match: one token says little, three as much as a longer match. */
const maxAfterMatch: readonly number[] = [0, 1, 4, maxDecodedTokens - 1];
/** The length of the first draft, what is added after a draft that was right to the end, and the least after others. */
const firstLength = 6;
const growth = 4;
const minLength = 3;

/**
 * How many tokens to draft: more after drafts that were right to the end, about as many as were right after others. The
 * numbers are the fastest ones measured; see "Measuring inference" in docs/benchmarks.md.
 */
export class DraftLength {
  private length = firstLength;

  /** Tokens to draft after a match of `matched` tokens. */
  after(matched: number): number {
    return Math.min(this.length, maxAfterMatch[Math.min(matched, maxAfterMatch.length - 1)] ?? 0);
  }

  /** Records that the first `right` of `drafted` tokens were generated. */
  record(drafted: number, right: number): void {
    this.length =
      right === drafted
        ? Math.min(maxDecodedTokens - 1, this.length + growth)
        : Math.max(minLength, Math.min(this.length, right + 1));
  }
}

export interface SpeculativeOptions {
  /** False: every token is decoded by itself. */
  readonly drafting: boolean;
  /** What to draft from; the first where several have equally long matches. */
  readonly lookups: readonly NgramLookup[];
  readonly signal: AbortSignal | undefined;
}

interface Draft {
  readonly tokens: readonly number[];
  /** After each of the tokens. */
  readonly logits: readonly Float32Array[];
  /** How many of the tokens were generated. */
  right: number;
}

/**
 * Gives the logits after each generated token, the same as one decode a token would. It decodes a draft along with a token,
 * so that the next logits are there already where generation follows the draft; otherwise it drops the rest of the draft.
 */
export class SpeculativeDecoder {
  /** Runs of the model so far. */
  steps = 0;
  private draft: Draft = { tokens: [], logits: [], right: 0 };
  private readonly length = new DraftLength();

  constructor(
    private readonly backbone: Backbone,
    private cache: KvCache,
    private readonly options: SpeculativeOptions,
  ) {}

  /**
   * The logits after `token`, which was generated and pushed to every lookup.
   * @param max tokens that may still follow it
   * @throws AbortError when aborted
   */
  async decode(token: number, max: number): Promise<Float32Array> {
    const { draft } = this;
    const known = draft.tokens[draft.right] === token ? draft.logits[draft.right] : undefined;
    if (known !== undefined) {
      draft.right += 1;
      return known;
    }
    if (draft.tokens.length > 0) this.length.record(draft.tokens.length, draft.right);
    const wrong = draft.tokens.length - draft.right;
    if (wrong > 0) this.cache = this.backbone.rewind(this.cache, this.cache.length - wrong);
    const { drafting, signal } = this.options;
    const tokens = drafting ? this.nextDraft(max) : [];
    const { cache, logits } = await this.backbone.decode(this.cache, [token, ...tokens], signal);
    const [after, ...rest] = logits;
    if (after === undefined)
      throw new RangeError("expected the logits after the token read, found none: install the model package again");
    this.steps += 1;
    this.cache = cache;
    this.draft = { tokens, logits: rest, right: 0 };
    return after;
  }

  private nextDraft(max: number): readonly number[] {
    let best: NgramLookup | undefined;
    let matched = 0;
    for (const lookup of this.options.lookups) {
      const maxLength = lookup.matches.reduce((longest, { length }) => Math.max(longest, length), 0);
      if (maxLength > matched) {
        matched = maxLength;
        best = lookup;
      }
    }
    return best === undefined ? [] : draftFrom(best, Math.min(max, this.length.after(matched)));
  }
}
