// The backbone alone: reading a prompt, decoding a token, verifying several, and decoding beside the machine's memory bandwidth.
import type { Backbone, KvCache } from "../../../sidecar/inference/backbone";
import { createBackbone } from "../../../sidecar/inference/onnx-backbone";
import { loadModelPackage } from "../../../sidecar/inference/package/model-package";
import { percentile } from "../statistics";
import { bytesPerToken, createBandwidth } from "./bandwidth";
import { decoded, measurePace, type Pace, pastsWithin, type Runtime, repeat, Samples, timed } from "./pace";
import { randomRows } from "./tokens";

export interface RateOptions {
  readonly modelPath: string;
  readonly threads: number;
  /** A large model repeats less: no repetition of one figure begins after so many milliseconds. */
  readonly budgetMs: number;
}

/** Figures of one process. Keys are numbers of tokens. */
export interface Rates extends Pace {
  readonly model: string;
  readonly parameters: number;
  /** Ids that tokens have are below it. */
  readonly vocabulary: number;
  readonly provider: string;
  readonly loadMs: number;
  /** Milliseconds to read so many tokens at once behind the shortest past. */
  readonly verifyMs: Readonly<Record<number, number>>;
  /** The process's peak with the longest prompt read, before anything beside the model was measured. */
  readonly peakMegabytes: number;
  readonly bandwidth: {
    readonly inCache: boolean;
    readonly cacheBytes: number | undefined;
    readonly bytesRead: number;
    readonly bytesPerSecond: number;
    readonly bytesPerToken: number;
    /** Rate of decoding over what the bandwidth alone would allow. */
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

  // Rows that begin otherwise than those before, whose keys and values would be reused.
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
  // A bound is what the machine does at its best; what it decodes meanwhile is a median as everywhere.
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
      if (cache === undefined) throw new Error("Expected something read before a token is decoded, found nothing.");
      ({ cache } = await backbone.decode(cache, [token]));
    },
  };
}
