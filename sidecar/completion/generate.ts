// Greedy decoding of one suggestion, stopped between two tokens as soon as its end is known or nobody waits for it.
import type { Backbone } from "../inference/backbone";
import type { Tokenizer } from "../inference/tokenizer";
import type { StopReason } from "../protocol";
import type { CursorSyntax } from "./cursor-syntax";
import type { PromptCache } from "./copying";
import { HealingChooser } from "./healing";
import { dropCutLine, findStop, loopCut } from "./stop";

export interface Generation {
  readonly text: string;
  readonly stopReason: Exclude<StopReason, "cancelled" | "not-started">;
  /** Tokens the model gave, the one that ended it included. */
  readonly generatedTokens: number;
  /** Milliseconds. */
  readonly timings: { readonly prefillMs: number; readonly decodeMs: number };
}

export interface GenerateOptions {
  readonly backbone: Backbone;
  readonly tokenizer: Tokenizer;
  /** Ids that end the text; none of them is ever part of it. */
  readonly stopTokens: ReadonlySet<number>;
  /** 1..contextLength - maxTokens tokens. */
  readonly prompt: readonly number[];
  readonly maxTokens: number;
  /** What the model must say first: text before the cursor that the prompt leaves out (token healing). No part of the result. */
  readonly owed?: string;
  /** What the prompt itself goes on with after the same words; left out, the model alone decides. */
  readonly promptCache?: PromptCache;
  readonly cursor: CursorSyntax;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads the prompt and takes the most likely token until the text ends.
 * @throws AbortError (the signal's reason) when aborted; at the latest one token later.
 */
export async function generate(options: GenerateOptions): Promise<Generation> {
  const { backbone, tokenizer, stopTokens, prompt, maxTokens, owed = "", promptCache, cursor, signal } = options;
  signal?.throwIfAborted();
  const start = performance.now();
  let { cache, logits } = await backbone.prefill(prompt, { signal });
  const prefilled = performance.now();

  const healing = new HealingChooser(tokenizer, stopTokens, owed);
  const stream = tokenizer.stream();
  const tokens: number[] = [];
  let said = "";
  let text = "";
  const done = (kept: string, stopReason: Generation["stopReason"], generatedTokens: number): Generation => ({
    text: kept,
    stopReason,
    generatedTokens,
    timings: { prefillMs: prefilled - start, decodeMs: performance.now() - prefilled },
  });

  for (;;) {
    signal?.throwIfAborted();
    // Some models have more logits than tokens, for the sake of round numbers.
    const known = logits.subarray(0, tokenizer.vocabularySize);
    const scores = promptCache?.mix(known) ?? known;
    const mayEnd = text !== "" || !cursor.unfinished;
    const token = healing.done ? mostLikely(mayEnd ? scores : without(scores, stopTokens)) : healing.choose(scores);
    promptCache?.push(token);
    if (stopTokens.has(token)) return done(text, "end-of-text", tokens.length + 1);
    tokens.push(token);
    const piece = stream.push(token);
    said += piece;
    text = said.slice(owed.length);
    // Bytes of an unfinished character say nothing yet, and a stop cannot lie in them.
    if (piece !== "" && text !== "") {
      const stop = findStop(text, cursor);
      if (stop !== undefined) return done(text.slice(0, stop.length), stop.reason, tokens.length);
    }
    const loop = loopCut(tokens);
    if (loop !== undefined) return done(tokenizer.decode(tokens.slice(0, loop)).slice(owed.length), "repetition", tokens.length);
    if (tokens.length >= maxTokens) return done(dropCutLine(text, cursor), "token-limit", tokens.length);
    const decoded = await backbone.decode(cache, [token], signal);
    ({ cache } = decoded);
    logits = decoded.logits[0] ?? new Float32Array(0);
  }
}

/** A copy in which `ids` can not be chosen. */
function without(scores: Float32Array, ids: ReadonlySet<number>): Float32Array {
  const rest = scores.slice();
  for (const id of ids) if (id < rest.length) rest[id] = -Infinity;
  return rest;
}

/** The index of the highest value; the lowest such index among equals. @throws RangeError for no values. */
export function mostLikely(logits: Float32Array): number {
  let best = 0;
  let highest = logits[0];
  if (highest === undefined) throw new RangeError("expected the logits of a vocabulary, found none: the model graph gave no output for the last token");
  for (let index = 1; index < logits.length; index++) {
    const value = logits[index];
    if (value !== undefined && value > highest) {
      highest = value;
      best = index;
    }
  }
  return best;
}
