// Generates one suggestion greedily, token by token, until its end is known or it is cancelled.
import type { Backbone, PrefillResult } from "../../inference/backbone";
import type { Tokenizer } from "../../inference/tokenizer";
import type { StopReason } from "../../protocol";
import type { CursorSyntax } from "../syntax/cursor";
import { argmax, type IsAllowed, logProbability } from "./greedy";
import type { NgramLookup } from "./ngram-lookup";
import { SpeculativeDecoder } from "./speculative";
import { cutAtLimit, cutRepetition, findStop, loopCut } from "./stop";
import { RequiredText } from "./token-healing";

export interface Generation {
  readonly text: string;
  readonly stopReason: Exclude<StopReason, "cancelled" | "not-started">;
  /** All generated tokens but the stop token: those of the required text too, and more than the text where it was cut. */
  readonly tokens: readonly number[];
  /** The tokens that make up the text, in order. */
  readonly textTokens: readonly TextToken[];
  /** Number of generated tokens, the stop token included. */
  readonly generatedTokens: number;
  /** Runs of the model after the prompt was read; without drafts one for each token but the first. */
  readonly decodeSteps: number;
}

export interface TextToken {
  /** Natural logarithm of its probability among the tokens that were allowed there. */
  readonly logProbability: number;
  /** Where it begins in the text; negative where it begins with text before the cursor. */
  readonly start: number;
}

export interface GenerateOptions {
  readonly backbone: Backbone;
  readonly tokenizer: Tokenizer;
  /** Ids that end the text; none of them is ever part of it. */
  readonly stopTokens: ReadonlySet<number>;
  /** The prompt after {@link Backbone.prefill}, at most contextLength - maxTokens tokens. Its cache is used up. */
  readonly prompt: Pick<PrefillResult, "cache" | "logits">;
  readonly maxTokens: number;
  /** The text before the cursor that has to be generated first (token healing). Not part of the result. */
  readonly required?: string;
  /** Over the prompt: gives drafts, and with the package's weights changes which tokens are chosen. */
  readonly promptLookup?: NgramLookup;
  /** Over the last suggestion: gives drafts only. */
  readonly lastLookup?: NgramLookup | undefined;
  /** False: no drafts, every token is decoded by itself. The text is the same either way. */
  readonly drafting?: boolean;
  readonly cursor: CursorSyntax;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Takes the most likely token after the prompt until the text ends.
 * @throws AbortError (the signal's reason) when aborted; at the latest one run of the model later.
 */
export async function generate(options: GenerateOptions): Promise<Generation> {
  const { backbone, tokenizer, prompt, maxTokens, promptLookup, lastLookup, drafting = true, signal } = options;
  const lookups = [lastLookup, promptLookup].filter((lookup) => lookup !== undefined);
  const decoder = new SpeculativeDecoder(backbone, prompt.cache, { drafting, lookups, signal });
  const text = new GeneratedText(options);
  let { logits } = prompt;
  for (;;) {
    signal?.throwIfAborted();
    // Some models have more logits than tokens, for the sake of round numbers.
    const known = logits.subarray(0, tokenizer.vocabularySize);
    const isAllowed = text.restriction();
    const token = promptLookup?.choose(known, isAllowed) ?? argmax(known, isAllowed);
    for (const lookup of lookups) lookup.push(token);
    const end = text.append(token, logProbability(known, token, isAllowed));
    if (end !== undefined) return { ...end, decodeSteps: decoder.steps };
    logits = await decoder.decode(token, maxTokens - text.length - 1);
  }
}

type Ended = Omit<Generation, "decodeSteps">;

/** The text generated so far, and whether it has come to its end. */
class GeneratedText {
  private readonly tokens: number[] = [];
  private readonly textTokens: TextToken[] = [];
  private readonly required: RequiredText;
  private readonly requiredLength: number;
  private readonly stream: ReturnType<Tokenizer["stream"]>;
  /** The required text included. */
  private generated = "";

  constructor(private readonly options: GenerateOptions) {
    const { tokenizer, stopTokens, required = "" } = options;
    this.required = new RequiredText(tokenizer, stopTokens, required);
    this.requiredLength = required.length;
    this.stream = tokenizer.stream();
  }

  /** Tokens so far. */
  get length(): number {
    return this.tokens.length;
  }

  /** Which tokens may come next; undefined where any may. */
  restriction(): IsAllowed | undefined {
    if (!this.required.done) return this.required.allows;
    const { cursor, stopTokens } = this.options;
    return this.text === "" && cursor.unfinished ? (id) => !stopTokens.has(id) : undefined;
  }

  /** Adds a token. @returns the generation where the token ended it */
  append(token: number, probability: number): Ended | undefined {
    const { stopTokens, cursor, tokenizer, maxTokens } = this.options;
    const { tokens, text: before } = this;
    this.required.consume(token);
    if (stopTokens.has(token)) return this.end(before, "end-of-text", tokens.length + 1);
    tokens.push(token);
    const start = this.generated.length - this.requiredLength;
    const piece = this.stream.push(token);
    this.generated += piece;
    if (this.required.done && start + piece.length > 0) this.textTokens.push({ logProbability: probability, start });
    const { text } = this;
    // The bytes of an unfinished character have no text yet, and nothing can stop there.
    const stop = piece !== "" && text !== "" ? findStop(text, cursor) : undefined;
    if (stop !== undefined) return this.end(text.slice(0, stop.length), stop.reason);
    const loop = loopCut(tokens);
    if (loop !== undefined) {
      const length = Math.max(0, tokenizer.decode(tokens.slice(0, loop)).length - this.requiredLength);
      return this.end(cutRepetition(text, length, cursor), "repetition");
    }
    return tokens.length >= maxTokens ? this.end(cutAtLimit(text, cursor), "token-limit") : undefined;
  }

  private get text(): string {
    return this.generated.slice(this.requiredLength);
  }

  private end(text: string, stopReason: Generation["stopReason"], generatedTokens = this.tokens.length): Ended {
    return { text, tokens: this.tokens, textTokens: this.textTokens, stopReason, generatedTokens };
  }
}
