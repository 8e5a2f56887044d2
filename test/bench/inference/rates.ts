// Times the backbone alone: prefill, decoding, verification of drafts, and decoding relative to the memory bandwidth.
import type { Backbone, KvCache } from "../../../sidecar/inference/backbone";
import { createBackbone } from "../../../sidecar/inference/onnx-backbone";
import { loadModelPackage } from "../../../sidecar/inference/package/model-package";
import { randomRows } from "../random";
import { percentile } from "../statistics";
import { bytesPerToken, createBandwidth } from "./bandwidth";
import { decoded, measurePace, type Pace, pastsWithin, type Runtime, repeat, Samples, timed } from "./pace";

export interface RateOptions {
  readonly modelPath: string;
  readonly threads: number;
  /** Milliseconds after which no further repetition of a figure begins, so that large models repeat less. */
  readonly budgetMs: number;
}

/** Figures of one process by number of tokens. */
export interface Rates extends Pace {
  readonly model: string;
  readonly parameters: number;
  /** Upper bound of the token ids. */
  readonly vocabulary: number;
  readonly provider: string;
  readonly loadMs: number;
  /** Milliseconds to read this many tokens at once after the shortest past. */
  readonly verifyMs: Readonly<Record<number, number>>;
  /** Peak memory of the process after the longest prompt, before other measurements. */
  readonly peakMegabytes: number;
  readonly bandwidth: {
    readonly inCache: boolean;
    readonly cacheBytes: number | undefined;
    readonly bytesRead: number;
    readonly bytesPerSecond: number;
    readonly bytesPerToken: number;
    /** Rate of decoding relative to the bound by bandwidth. */
    readonly share: number;
  };
}

const verified = [2, 5, 9, 16];
const repetitions = 9;

/** Measures in this process. */
export async function ratesPhase({ modelPath, threads, budgetMs }: RateOptions): Promise<Rates> {
  const start = performance.now();
  const model = await loadModelPackage(modelPath);
  const backbone = await createBackbone(model, { provider: "auto", threads });
  const loadMs = performance.now() - start;
  const vocabulary = model.architecture.vocabularySize;
  const pace = await measurePace(runtimeOf(backbone), vocabulary, budgetMs);
  const peakMegabytes = process.resourceUsage().maxRSS / 1024;

  // Rows that differ from earlier ones at the first token, so that nothing is reused from the KV cache.
  const row = randomRows(vocabulary, 2);
  const [past = 0] = pastsWithin(model.contextLength);
  const verify = new Samples();
  await repeat(repetitions, budgetMs, async () => {
    let { cache } = await backbone.prefill(row(past));
    for (const count of verified) {
      cache = backbone.rewind(cache, past);
      const tokens = row(count);
      verify.add(count, await timed(async () => ({ cache } = await backbone.decode(cache, tokens))));
    }
  });

  const perToken = bytesPerToken(model, past);
  const bandwidth = await createBandwidth(perToken, threads);
  // The bound is the best measured bandwidth; the rate of decoding is a median as everywhere.
  let bytesPerSecond = await bandwidth.measure(40);
  const steps: number[] = [];
  await repeat(repetitions, budgetMs, async () => {
    let { cache } = await backbone.prefill(row(past));
    for (const token of row(decoded))
      steps.push(await timed(async () => ({ cache } = await backbone.decode(cache, [token]))));
    bytesPerSecond = Math.max(bytesPerSecond, await bandwidth.measure(40));
  });
  await bandwidth.release();
  const { provider } = backbone;
  await backbone.dispose();
  return {
    model: `${model.name} ${model.version}`,
    parameters: model.architecture.parameters,
    vocabulary,
    provider: `${provider.name} (${provider.reason})`,
    loadMs,
    ...pace,
    verifyMs: verify.medians(),
    peakMegabytes,
    bandwidth: {
      inCache: bandwidth.inCache,
      cacheBytes: bandwidth.cacheBytes,
      bytesRead: bandwidth.bytes,
      bytesPerSecond,
      bytesPerToken: perToken,
      share: 1000 / percentile(steps, 0.5) / (bytesPerSecond / perToken),
    },
  };
}

function runtimeOf(backbone: Backbone): Runtime {
  let cache: KvCache | undefined;
  return {
    contextLength: backbone.model.contextLength,
    read: async (tokens) => {
      ({ cache } = await backbone.prefill(tokens));
    },
    decode: async (token) => {
      if (cache === undefined)
        throw new Error("Expected tokens in the cache before a token is decoded, found none. Call read first.");
      ({ cache } = await backbone.decode(cache, [token]));
    },
  };
}
