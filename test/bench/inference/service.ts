// Other work of the backbone: rate of embedding, delay of a cancellation, and blocking of the event loop.
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { InferenceSession, Tensor } from "onnxruntime-node";
import { createBackbone } from "../../../sidecar/inference/onnx-backbone";
import { loadOnnxRuntime, type OnnxRuntime } from "../../../sidecar/inference/onnx-runtime";
import { loadModelPackage, type ModelPackage } from "../../../sidecar/inference/package/model-package";
import { PromptFormat } from "../../../sidecar/inference/prompt-format";
import { Tokenizer } from "../../../sidecar/inference/tokenizer";
import { createChunker } from "../../../sidecar/workspace/chunking/create-chunker";
import { readSources } from "../cursors";
import { percentile } from "../statistics";
import { timed } from "./pace";
import { randomNumbers, randomRows } from "./tokens";

export interface ServiceOptions {
  readonly workspace: string;
  readonly modelPath: string;
  readonly grammarPath: string;
  readonly threads: number;
  readonly rounds: number;
}

export interface ServiceResult {
  readonly embedding: {
    readonly fragments: number;
    readonly meanTokens: number;
    /** Fragments per second by `embed`, in the order of the files; median of rounds. */
    readonly perSecond: number;
    /** Fragments per second of the bare graph in batches of {@link rawBatch} rows; median. */
    readonly rawPerSecond: number;
    readonly rawBatch: number;
    /** Median of the rounds' quotients. */
    readonly share: number;
  };
  readonly cancellation: {
    readonly promptTokens: number;
    readonly cancelled: number;
    /** From the scheduled abort to the rejection, including delays of the event loop. */
    readonly maxMs: number;
    readonly medianMs: number;
  };
  /** Longest time between two turns of the event loop during prefill, decoding and embedding. */
  readonly eventLoopMs: number;
}

const embeddedFragments = 384;
const rawBatches = [2, 4, 8, 16];
const cancellations = 24;

/** Measures in this process. */
export async function servicePhase({
  workspace,
  modelPath,
  grammarPath,
  threads,
  rounds,
}: ServiceOptions): Promise<ServiceResult> {
  const model = await loadModelPackage(modelPath);
  const format = new PromptFormat(model, await Tokenizer.load(model));
  const chunker = await createChunker(grammarPath, () => {});
  const fragments: number[][] = [];
  for (const [path, text] of await readSources(workspace)) {
    if (fragments.length >= embeddedFragments) break;
    for (const chunk of await chunker.chunk(path, text)) fragments.push(format.fragmentEmbedding(path, chunk.text));
  }
  fragments.splice(embeddedFragments);
  const backbone = await createBackbone(model, { provider: "cpu", threads });
  const row = randomRows(model.architecture.vocabularySize);
  await backbone.embed(fragments.slice(0, 16));

  const raw = await RawForward.open(model, threads);
  const trial = fragments.slice(0, 64);
  const rates = new Map<number, number>();
  for (const rows of rawBatches)
    rates.set(rows, Math.min(await timed(() => raw.embed(trial, rows)), await timed(() => raw.embed(trial, rows))));
  const rawBatch = [...rates].reduce((best, each) => (each[1] < best[1] ? each : best))[0];
  const embedMs: number[] = [];
  const rawMs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    rawMs.push(await timed(() => raw.embed(fragments, rawBatch)));
    embedMs.push(await timed(() => backbone.embed(fragments)));
  }
  await raw.release();

  const promptTokens = Math.min(model.contextLength, 1024);
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
  const embedding = backbone.embed(fragments.slice(0, 128));
  let { cache } = await backbone.prefill(row(128));
  for (const token of row(16)) ({ cache } = await backbone.decode(cache, [token]));
  await embedding;
  loop.disable();
  await backbone.dispose();
  return {
    embedding: {
      fragments: fragments.length,
      meanTokens: fragments.reduce((sum, { length }) => sum + length, 0) / fragments.length,
      perSecond: (1000 * fragments.length) / percentile(embedMs, 0.5),
      rawPerSecond: (1000 * fragments.length) / percentile(rawMs, 0.5),
      rawBatch,
      share: percentile(
        embedMs.map((ms, at) => (rawMs[at] ?? Number.NaN) / ms),
        0.5,
      ),
    },
    cancellation: {
      promptTokens,
      cancelled: waits.length,
      maxMs: Math.max(...waits),
      medianMs: percentile(waits, 0.5),
    },
    eventLoopMs: loop.max / 1e6,
  };
}

/** The bare graph in a session with the product's options, for rows of similar lengths. Only for graphs with float32 caches. */
export class RawForward {
  private constructor(
    private readonly runtime: OnnxRuntime,
    private readonly session: InferenceSession,
  ) {}

  static async open(model: ModelPackage, threads: number): Promise<RawForward> {
    const runtime = await loadOnnxRuntime();
    return new RawForward(
      runtime,
      await runtime.InferenceSession.create(model.graphPath, {
        executionProviders: ["cpu"],
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        executionMode: "sequential",
        logSeverityLevel: 3,
        extra: { session: { intra_op: { allow_spinning: "0" } } },
      }),
    );
  }

  async embed(fragments: readonly (readonly number[])[], rows: number): Promise<void> {
    const sorted = [...fragments].sort((a, b) => a.length - b.length);
    for (let start = 0; start < sorted.length; start += rows)
      await this.session.run(this.feeds(sorted.slice(start, start + rows)), ["expression"]);
  }

  release(): Promise<void> {
    return this.session.release();
  }

  private feeds(batch: readonly (readonly number[])[]): Record<string, Tensor> {
    const width = Math.max(...batch.map(({ length }) => length));
    const ids = new BigInt64Array(batch.length * width);
    for (const [r, tokens] of batch.entries()) ids.set(BigInt64Array.from(tokens, BigInt), r * width);
    const feeds: Record<string, Tensor> = {
      input_ids: new this.runtime.Tensor("int64", ids, [batch.length, width]),
      lengths: new this.runtime.Tensor(
        "int64",
        BigInt64Array.from(batch, ({ length }) => BigInt(length)),
        [batch.length],
      ),
      logit_positions: new this.runtime.Tensor("int64", new BigInt64Array(0), [batch.length, 0]),
      adapter: new this.runtime.Tensor("int64", BigInt64Array.of(1n), [1]),
    };
    for (const input of this.session.inputMetadata) {
      if (input.name === "past_length") feeds[input.name] = new this.runtime.Tensor("int64", BigInt64Array.of(0n), [1]);
      // Dynamic sizes are the batch (first) and the past, which is empty.
      else if (input.name.startsWith("past.") && input.isTensor)
        feeds[input.name] = new this.runtime.Tensor(
          "float32",
          new Float32Array(0),
          input.shape.map((size) => (size === "batch" ? batch.length : typeof size === "number" ? size : 0)),
        );
    }
    return feeds;
  }
}
