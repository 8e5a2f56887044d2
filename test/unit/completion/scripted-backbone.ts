// A backbone that generates the tokens that a test gives it.
import type { Backbone, KvCache } from "../../../sidecar/inference/backbone";
import type { ModelPackage } from "../../../sidecar/inference/package/model-package";

export interface Scripted extends Backbone {
  /** Prompts read so far. */
  readonly prompts: (readonly number[])[];
  /** Tokens read after the last prompt and not dropped since. */
  readonly held: readonly number[];
  /** The arguments of each `decode` so far. */
  readonly decoded: (readonly number[])[];
  /** Query prompts expressed so far. */
  readonly expressed: (readonly number[])[];
}

export interface Script {
  /** The most likely token by the number of tokens after the prompt. */
  readonly tokens: readonly number[];
  /** The most likely token after the script. */
  readonly last: number;
  /** Called for every position whose logits are requested. */
  readonly onStep?: ((step: number) => void) | undefined;
  /** The need at the end of a prompt or a query; default: a constant. */
  readonly need?: ((tokens: readonly number[]) => Float32Array) | undefined;
}

/** A model that makes each token of the script by far the most likely one. Refuses a used cache. */
export function scriptedBackbone(model: ModelPackage, { tokens: script, last, onStep, need }: Script): Scripted {
  const prompts: (readonly number[])[] = [];
  const decoded: (readonly number[])[] = [];
  const expressed: (readonly number[])[] = [];
  const held: number[] = [];
  let present: KvCache = { length: 0 };
  const logits = (step: number) => {
    onStep?.(step);
    const values = new Float32Array(model.architecture.vocabularySize);
    values[script[step] ?? last] = 100;
    return values;
  };
  const cache = () => (present = { length: (prompts.at(-1)?.length ?? 0) + held.length });
  const take = (given: KvCache) => {
    if (given !== present) throw new Error("a used cache was given");
  };
  const needOf = need ?? (() => new Float32Array(model.retrieval.dimension).fill(model.retrieval.dimension ** -0.5));
  return {
    model,
    prompts,
    held,
    decoded,
    expressed,
    provider: { name: "cpu", reason: "test" },
    prefill: async (tokens, { express = false, signal } = {}) => {
      signal?.throwIfAborted();
      prompts.push(tokens);
      held.length = 0;
      return {
        cache: cache(),
        logits: logits(0),
        ...(express && { need: needOf(tokens) }),
        reused: 0,
      };
    },
    decode: async (given, tokens, signal) => {
      signal?.throwIfAborted();
      take(given);
      decoded.push(tokens);
      const after = tokens.map((token) => {
        held.push(token);
        return logits(held.length);
      });
      return { cache: cache(), logits: after };
    },
    rewind: (given, length) => {
      take(given);
      held.length = length - (prompts.at(-1)?.length ?? 0);
      return cache();
    },
    express: async (tokens) => {
      expressed.push(tokens);
      return needOf(tokens);
    },
    needWeights: async (tokens) =>
      Array.from({ length: model.architecture.layers }, () => new Float32Array(tokens.length).fill(1 / tokens.length)),
    embed: async (texts) => texts.map(() => new Float32Array(model.retrieval.dimension)),
    dispose: async () => {},
  };
}
