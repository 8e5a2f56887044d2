// A backbone that generates the tokens that a test gives it.
import type { Backbone, KvCache } from "../../../sidecar/inference/backbone";
import type { ModelPackage } from "../../../sidecar/inference/package/model-package";

export interface Scripted extends Backbone {
  /** Prompts read so far. */
  readonly prompts: (readonly number[])[];
  /** Tokens read after the last prompt and not forgotten since. */
  readonly held: readonly number[];
  /** What each `decode` so far was given. */
  readonly decoded: (readonly number[])[];
  /** Query prompts expressed so far. */
  readonly expressed: (readonly number[])[];
}

export interface Script {
  /** The most likely token after so many tokens behind the prompt. */
  readonly tokens: readonly number[];
  /** The most likely token after all of those. */
  readonly last: number;
  /** Told of every position whose logits are asked for. */
  readonly onStep?: ((step: number) => void) | undefined;
  /** The need at the end of a prompt or a query; by default the same everywhere. */
  readonly need?: ((tokens: readonly number[]) => Float32Array) | undefined;
}

/** Gives the script's tokens one by one, each as by far the most likely one. Refuses a cache that is not the present one. */
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
