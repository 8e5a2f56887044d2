// Greedy decoding of one suggestion, stopped between two tokens as soon as its end is known or nobody waits for it.
import type { Backbone, PrefillResult } from "../../inference/backbone";
import type { Tokenizer } from "../../inference/tokenizer";
import type { StopReason } from "../../protocol";
import type { CursorSyntax } from "../syntax/cursor";
import { logProbability, mostLikely } from "./greedy";
import type { PromptCache } from "./ngram-lookup";
import { DraftingReader } from "./speculative";
import { dropCutLine, findStop, loopCut } from "./stop";
import { Healing } from "./token-healing";

export interface Generation {
  readonly text: string;
  readonly stopReason: Exclude<StopReason, "cancelled" | "not-started">;
  /** Tokens chosen, the stop token that ended it left out: what was owed, and more than the text where this was cut. */
  readonly tokens: readonly number[];
  /** Those that spell some of the text, in order. */
  readonly spelt: readonly SpeltToken[];
  /** How many they are, with the stop token. */
  readonly generatedTokens: number;
  /** Runs of the model after the prompt was read; without drafts one for each token but the first. */
  readonly decodeSteps: number;
}

export interface SpeltToken {
  /** Natural logarithm of its probability, among the tokens that might have come there. */
  readonly logProbability: number;
  /** Where what it spells begins in the text; below 0 where it begins with text before the cursor. */
  readonly start: number;
}

export interface GenerateOptions {
  readonly backbone: Backbone;
  readonly tokenizer: Tokenizer;
  /** Ids that end the text; none of them is ever part of it. */
  readonly stopTokens: ReadonlySet<number>;
  /** The prompt as it was read, 1..contextLength - maxTokens tokens of it. Its cache is used up. */
  readonly prompt: Pick<PrefillResult, "cache" | "logits">;
  readonly maxTokens: number;
  /** What the model must say first: text before the cursor that the prompt leaves out (token healing). No part of the result. */
  readonly owed?: string;
  /** What the prompt itself goes on with after the same words; left out, the model alone decides. */
  readonly promptCache?: PromptCache;
  /** What was said at this place a moment ago: drafted from, but no reason to say it again. */
  readonly earlier?: PromptCache | undefined;
  /** False: every token is decoded by itself, none drafted. The text is the same either way. */
  readonly drafting?: boolean;
  readonly cursor: CursorSyntax;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Takes the most likely token after the prompt until the text ends.
 * @throws AbortError (the signal's reason) when aborted; at the latest one run of the model later.
 */
export async function generate(options: GenerateOptions): Promise<Generation> {
  const {
    backbone,
    tokenizer,
    stopTokens,
    prompt,
    maxTokens,
    owed = "",
    promptCache,
    earlier,
    drafting = true,
    cursor,
    signal,
  } = options;
  const sources = [earlier, promptCache].filter((source) => source !== undefined);
  const reader = new DraftingReader(backbone, prompt.cache, { drafting, sources, signal });
  const healing = new Healing(tokenizer, stopTokens, owed);
  const mayNotEnd = (id: number): boolean => !stopTokens.has(id);
  const stream = tokenizer.stream();
  const tokens: number[] = [];
  const spelt: SpeltToken[] = [];
  let { logits } = prompt;
  let said = "";
  let text = "";
  const done = (kept: string, stopReason: Generation["stopReason"], generatedTokens: number): Generation => ({
    text: kept,
    tokens,
    spelt,
    stopReason,
    generatedTokens,
    decodeSteps: reader.steps,
  });

  for (;;) {
    signal?.throwIfAborted();
    // Some models have more logits than tokens, for the sake of round numbers.
    const known = logits.subarray(0, tokenizer.vocabularySize);
    const admits = !healing.done ? healing.admits : text === "" && cursor.unfinished ? mayNotEnd : undefined;
    const token = promptCache?.choose(known, admits) ?? mostLikely(known, admits);
    const likely = logProbability(known, token, admits);
    healing.pay(token);
    promptCache?.push(token);
    earlier?.push(token);
    if (stopTokens.has(token)) return done(text, "end-of-text", tokens.length + 1);
    tokens.push(token);
    const start = said.length - owed.length;
    const piece = stream.push(token);
    if (healing.done && start + piece.length > 0) spelt.push({ logProbability: likely, start });
    said += piece;
    text = said.slice(owed.length);
    // Bytes of an unfinished character say nothing yet, and a stop cannot lie in them.
    if (piece !== "" && text !== "") {
      const stop = findStop(text, cursor);
      if (stop !== undefined) return done(text.slice(0, stop.length), stop.reason, tokens.length);
    }
    const loop = loopCut(tokens);
    if (loop !== undefined)
      return done(tokenizer.decode(tokens.slice(0, loop)).slice(owed.length), "repetition", tokens.length);
    if (tokens.length >= maxTokens) return done(dropCutLine(text, cursor), "token-limit", tokens.length);
    logits = await reader.read(token, maxTokens - tokens.length - 1);
  }
}
