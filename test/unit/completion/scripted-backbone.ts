// A backbone that says what a test wants it to say, one token at a time.
import type { Backbone, KvCache } from "../../../sidecar/inference/backbone";
import type { ModelPackage } from "../../../sidecar/inference/model-package";

export interface Scripted extends Backbone {
  /** Prompts read so far. */
  readonly prompts: (readonly number[])[];
  /** Tokens read by `decode` so far. */
  readonly decoded: number[];
}

/** Gives `script` token by token, each as by far the most likely one, and then `last` for ever. */
export function scriptedBackbone(model: ModelPackage, script: readonly number[], last: number, onStep?: (step: number) => void): Scripted {
  const prompts: (readonly number[])[] = [];
  const decoded: number[] = [];
  const logits = (step: number) => {
    onStep?.(step);
    const values = new Float32Array(model.architecture.vocabularySize);
    values[script[step] ?? last] = 100;
    return values;
  };
  const cache: KvCache = { length: 1 };
  return {
    model,
    prompts,
    decoded,
    provider: { name: "cpu", reason: "test" },
    prefill: async (tokens) => (prompts.push(tokens), { cache, logits: logits(0), reused: 0 }),
    decode: async (_, tokens) => ({ cache, logits: tokens.map((token) => (decoded.push(token), logits(decoded.length))) }),
    rewind: () => cache,
    express: async () => new Float32Array(model.retrieval.dimension),
    embed: async (texts) => texts.map(() => new Float32Array(model.retrieval.dimension)),
    dispose: async () => {},
  };
}
