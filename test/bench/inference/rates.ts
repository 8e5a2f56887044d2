// The backbone alone: reading a prompt, decoding a token, verifying several, and decoding beside the machine's memory bandwidth.
import type { Backbone, KvCache } from "../../../sidecar/inference/backbone";
import { createBackbone } from "../../../sidecar/inference/onnx-backbone";
import { loadModelPackage } from "../../../sidecar/inference/package/model-package";
import { percentile } from "../statistics";
import { bytesPerToken, createBandwidth } from "./bandwidth";
import { randomRows } from "./tokens";

export interface RateOptions {
  readonly modelPath: string;
  readonly threads: number;
  /** A large model repeats less: no repetition begins after so many milliseconds. */
  readonly budgetMs: number;
}

/** Figures of one process. Keys are numbers of tokens. */
export interface Rates {
  readonly model: string;
  readonly parameters: number;
  readonly provider: string;
  readonly loadMs: number;
  /** Milliseconds to read so many tokens. */
  readonly prefillMs: Readonly<Record<number, number>>;
  /** Milliseconds a token behind so many. */
  readonly decodeMs: Readonly<Record<number, number>>;
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

const prompts = [128, 512, 1024];
const pasts = [512, 1024];
const verified = [2, 5, 9, 16];
const decoded = 16;
const repetitions = 9;
/** Tokens read of each size, at the least. */
const prefilled = 8192;

/** Measures in this process. */
export async function ratesPhase({ modelPath, threads, budgetMs }: RateOptions): Promise<Rates> {
  const start = performance.now();
  const model = await loadModelPackage(modelPath);
  const backbone = await createBackbone(model, { provider: "auto", threads });
  const loadMs = performance.now() - start;
  const row = randomRows(model.architecture.vocabularySize);
  const { contextLength } = model;
  const sizes = prompts.filter((size) => size <= contextLength);
  const depths = pasts.map((past) => Math.min(past, contextLength - decoded));
  const begun = performance.now();
  const repeat = async (work: () => Promise<void>, times = repetitions): Promise<void> => {
    for (let i = 0; i < times && (i === 0 || performance.now() - begun < budgetMs); i++) await work();
  };

  const decode = new Samples();
  const verify = new Samples();
  await repeat(async () => {
    for (const past of depths) {
      let { cache } = await backbone.prefill(row(past));
      ({ cache } = await decodeSome(backbone, cache, row, (ms) => decode.add(past, ms)));
      if (past !== depths[0]) continue;
      for (const count of verified) {
        cache = backbone.rewind(cache, past);
        const tokens = row(count);
        verify.add(count, await timed(async () => ({ cache } = await backbone.decode(cache, tokens))));
      }
    }
  });
  // Behind the decoding, so that Node.js has compiled what every reading goes through.
  const prefill = new Samples();
  for (const size of sizes) {
    // As llama-bench does it: each size by itself, behind a run that does not count.
    await backbone.prefill(row(size));
    // What takes a few milliseconds is repeated until it takes as long as what does not.
    await repeat(
      async () => prefill.add(size, await timed(() => backbone.prefill(row(size)))),
      Math.max(repetitions, Math.ceil(prefilled / size)),
    );
  }
  const peakMegabytes = process.resourceUsage().maxRSS / 1024;

  const [past = 0] = depths;
  const perToken = bytesPerToken(model, past);
  const bandwidth = await createBandwidth(perToken, threads);
  // A bound is what the machine does at its best; what it decodes meanwhile is a median as everywhere.
  let bytesPerSecond = await bandwidth.measure(40);
  const steps: number[] = [];
  await repeat(async () => {
    const { cache } = await backbone.prefill(row(past));
    await decodeSome(backbone, cache, row, (ms) => steps.push(ms));
    bytesPerSecond = Math.max(bytesPerSecond, await bandwidth.measure(40));
  });
  await bandwidth.release();
  const { provider } = backbone;
  await backbone.dispose();
  return {
    model: `${model.name} ${model.version}`,
    parameters: model.architecture.parameters,
    provider: `${provider.name} (${provider.reason})`,
    loadMs,
    prefillMs: prefill.medians(),
    decodeMs: decode.medians(),
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

/** Decodes a few tokens one by one and tells the time of each. */
async function decodeSome(
  backbone: Backbone,
  from: KvCache,
  row: (length: number) => number[],
  told: (ms: number) => void,
): Promise<{ cache: KvCache }> {
  let cache = from;
  for (const token of row(decoded)) told(await timed(async () => ({ cache } = await backbone.decode(cache, [token]))));
  return { cache };
}

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Numbers under numbers. */
class Samples {
  private readonly byKey = new Map<number, number[]>();

  add(key: number, value: number): void {
    const list = this.byKey.get(key) ?? [];
    list.push(value);
    this.byKey.set(key, list);
  }

  medians(): Record<number, number> {
    return Object.fromEntries([...this.byKey].map(([key, values]) => [key, percentile(values, 0.5)]));
  }
}
