// The delay of a cancellation, and the longest blocking of the event loop by work of the model.
import { monitorEventLoopDelay } from "node:perf_hooks";
import { createBackbone } from "../../../sidecar/inference/onnx-backbone";
import { loadModelPackage } from "../../../sidecar/inference/package/model-package";
import { randomNumbers, randomRows } from "../random";
import { percentile } from "../statistics";
import { timed } from "./pace";

export interface CancellationOptions {
  readonly modelPath: string;
  readonly threads: number;
}

export interface CancellationResult {
  readonly promptTokens: number;
  readonly cancelled: number;
  /** From the scheduled abort to the rejection, including delays of the event loop. */
  readonly maxMs: number;
  readonly medianMs: number;
  /** Longest time between two turns of the event loop during prefill, decoding and embedding. */
  readonly eventLoopMs: number;
}

const cancellations = 24;

/** Measures in this process. */
export async function cancellationPhase({ modelPath, threads }: CancellationOptions): Promise<CancellationResult> {
  const model = await loadModelPackage(modelPath);
  const backbone = await createBackbone(model, { provider: "cpu", threads });
  const row = randomRows(model.architecture.vocabularySize);
  const promptTokens = Math.min(model.contextLength, 1024);
  await backbone.prefill(row(promptTokens));
  const prefillMs = await timed(() => backbone.prefill(row(promptTokens)));
  const random = randomNumbers(7);
  const waits: number[] = [];
  const loop = monitorEventLoopDelay({ resolution: 1 });
  loop.enable();
  for (let i = 0; i < cancellations; i++) {
    const abort = new AbortController();
    const delay = random() * prefillMs * 0.9;
    const due = performance.now() + delay;
    setTimeout(() => abort.abort(), delay);
    await backbone.prefill(row(promptTokens), { signal: abort.signal }).then(
      () => {},
      () => waits.push(performance.now() - due),
    );
  }
  const { fragmentTokens } = model.retrieval;
  const embedding = backbone.embed(Array.from({ length: 128 }, (_, at) => row(fragmentTokens - (at % fragmentTokens))));
  let { cache } = await backbone.prefill(row(128));
  for (const token of row(16)) ({ cache } = await backbone.decode(cache, [token]));
  await embedding;
  loop.disable();
  await backbone.dispose();
  return {
    promptTokens,
    cancelled: waits.length,
    maxMs: Math.max(...waits),
    medianMs: percentile(waits, 0.5),
    eventLoopMs: loop.max / 1e6,
  };
}
