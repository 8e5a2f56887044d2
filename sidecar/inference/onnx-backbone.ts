// The backbone on ONNX Runtime, which runs in a worker thread; completions run before index batches.

import { availableParallelism } from "node:os";
import { abortError } from "../host/errors";
import type { ExecutionProviderSetting } from "../protocol";
import {
  type Backbone,
  type DecodeResult,
  type KvCache,
  maxDecodedTokens,
  type PrefillOptions,
  type PrefillResult,
  type Priority,
  type Provider,
} from "./backbone";
import { EmbeddingBatcher } from "./embedding-batcher";
import type { ForwardRequest, ForwardResult } from "./model-runner";
import type { ModelPackage } from "./package/model-package";
import { openWithProvider, providerHost } from "./provider";
import { WorkQueue } from "./work-queue";
import type { Job, Result } from "./worker/messages";
import { InferenceThread } from "./worker/thread";

export interface BackboneOptions {
  readonly provider: ExecutionProviderSetting;
  /** Intra-op threads; 0: {@link defaultThreads} for this machine. */
  readonly threads: number;
  /** Logs one line. */
  readonly log?: (line: string) => void;
  /** Called with one line when CUDA was requested by name but cannot be used. */
  readonly warn?: (line: string) => void;
  /** Tokens read between two checks of the signal; default: as many as take about 30 ms. */
  readonly chunkTokens?: number;
  /** Maximum memory of the KV cache, bytes. */
  readonly cacheMegabytes?: number;
}

/** Enough for four prompts of 1,024 tokens of the default model, or one of a model with half a billion parameters. */
const defaultCacheMegabytes = 32;

/** The number of cores, at most four. More than two hardware threads count as half as many cores. */
export function defaultThreads(logicalCores: number = availableParallelism()): number {
  const cores = logicalCores > 2 ? Math.ceil(logicalCores / 2) : logicalCores;
  return Math.max(1, Math.min(4, cores));
}

/**
 * Loads the graph of a checked package, and checks its inputs and outputs.
 * @throws ModelPackageError when the graph cannot be loaded on the CPU, or its inputs, outputs or sizes differ from model.json.
 */
export async function createBackbone(model: ModelPackage, options: BackboneOptions): Promise<Backbone> {
  const threads = options.threads > 0 ? options.threads : defaultThreads();
  const open = async (name: Provider["name"]): Promise<InferenceThread> => {
    const cacheBytes = (options.cacheMegabytes ?? defaultCacheMegabytes) * 2 ** 20;
    const thread = new InferenceThread({
      model,
      provider: name,
      threads,
      chunkTokens: options.chunkTokens ?? 0,
      cacheBytes,
    });
    await thread.start();
    return thread;
  };
  const { provider, value: thread, warning } = await openWithProvider(options.provider, providerHost(), open);
  if (warning !== undefined) options.warn?.(warning);
  options.log?.(`${model.name} ${model.version} on ${provider.name}, threads: ${threads} (${provider.reason})`);
  return new OnnxBackbone(model, provider, thread);
}

/**
 * The {@link KvCache} of this backbone: only the tokens. The thread finds their rows by the tokens, and reads the tokens again
 * when their rows were evicted.
 */
class OnnxCache implements KvCache {
  private taken = false;

  constructor(readonly tokens: Int32Array) {}

  get length(): number {
    return this.tokens.length;
  }

  take(): void {
    if (this.taken)
      throw new Error(
        "expected an unused cache, found one that a call has consumed: continue with the cache that decode or rewind returned",
      );
    this.taken = true;
  }

  giveBack(): void {
    this.taken = false;
  }
}

class OnnxBackbone implements Backbone {
  private readonly queue = new WorkQueue();
  private disposed: Promise<void> | undefined;
  private readonly batcher = new EmbeddingBatcher();

  constructor(
    readonly model: ModelPackage,
    readonly provider: Provider,
    private readonly thread: InferenceThread,
  ) {}

  async prefill(tokens: readonly number[], { express = false, signal }: PrefillOptions = {}): Promise<PrefillResult> {
    this.checkTokens(tokens);
    const ids = Int32Array.from(tokens);
    const { logits, expression, reused } = await this.forward({ tokens: ids, logits: 1, express }, signal);
    return { cache: new OnnxCache(ids), logits, ...(express && { need: expression }), reused };
  }

  async decode(cache: KvCache, tokens: readonly number[], signal?: AbortSignal): Promise<DecodeResult> {
    const entry = this.own(cache);
    this.checkTokens(tokens, maxDecodedTokens);
    if (entry.length + tokens.length > this.model.contextLength)
      throw new RangeError(
        `expected room in the context of ${this.model.contextLength} tokens, found ${entry.length} taken and ${tokens.length} more: stop decoding`,
      );
    entry.take();
    const all = new Int32Array(entry.length + tokens.length);
    all.set(entry.tokens);
    all.set(tokens, entry.length);
    try {
      const { logits } = await this.forward({ tokens: all, logits: tokens.length, express: false }, signal);
      const { vocabularySize } = this.model.architecture;
      const rows = tokens.map((_, i) => logits.subarray(i * vocabularySize, (i + 1) * vocabularySize));
      return { cache: new OnnxCache(all), logits: rows };
    } catch (error) {
      entry.giveBack();
      throw error;
    }
  }

  rewind(cache: KvCache, length: number): KvCache {
    const entry = this.own(cache);
    if (!Number.isInteger(length) || length < 1 || length > entry.length)
      throw new RangeError(
        `expected to keep 1 to ${entry.length} tokens, found ${length}: a cache can only be made shorter`,
      );
    entry.take();
    return new OnnxCache(entry.tokens.slice(0, length));
  }

  async express(tokens: readonly number[], signal?: AbortSignal): Promise<Float32Array> {
    this.checkTokens(tokens);
    return (await this.forward({ tokens: Int32Array.from(tokens), logits: 0, express: true }, signal)).expression;
  }

  async needWeights(tokens: readonly number[], signal?: AbortSignal): Promise<readonly Float32Array[]> {
    this.checkTokens(tokens);
    const answer = await this.perform("index", { kind: "attention", tokens: Int32Array.from(tokens) }, signal);
    if (answer.kind !== "attention") throw new Error(unexpected);
    return Array.from({ length: this.model.architecture.layers }, (_, layer) =>
      answer.weights.slice(layer * tokens.length, (layer + 1) * tokens.length),
    );
  }

  async embed(fragments: readonly (readonly number[])[], signal?: AbortSignal): Promise<Float32Array[]> {
    for (const tokens of fragments) this.checkTokens(tokens);
    const vectors: Float32Array[] = [];
    const { dimension } = this.model.retrieval;
    const waiting = this.batcher.order(fragments.map((tokens) => tokens.length));
    while (waiting.length > 0) {
      const batch = this.batcher.next(waiting);
      const rows = batch.map(({ index }) => Int32Array.from(fragments[index] ?? []));
      const answer = await this.perform("index", { kind: "embed", rows }, signal);
      if (answer.kind !== "embed") throw new Error(unexpected);
      for (const [row, { index }] of batch.entries())
        vectors[index] = answer.expressions.slice(row * dimension, (row + 1) * dimension);
      this.batcher.recordDuration(batch, answer.ms);
    }
    return vectors;
  }

  dispose(): Promise<void> {
    this.disposed ??= this.queue
      .close(new Error("expected a backbone in use, found one that was disposed of: make a new one"))
      .then(() => this.thread.close());
    return this.disposed;
  }

  private async forward(request: ForwardRequest, signal: AbortSignal | undefined): Promise<ForwardResult> {
    const answer = await this.perform("completion", { kind: "forward", ...request }, signal);
    if (answer.kind !== "forward") throw new Error(unexpected);
    return answer;
  }

  private perform(priority: Priority, job: Job, signal: AbortSignal | undefined): Promise<Result> {
    return this.queue.run(priority, signal, async () => {
      const result = await this.thread.perform(job, signal);
      // The caller has aborted the job while it ran.
      if (signal?.aborted === true) throw abortError();
      return result;
    });
  }

  private own(cache: KvCache): OnnxCache {
    if (!(cache instanceof OnnxCache)) throw new TypeError("expected a cache of this backbone, found another object");
    return cache;
  }

  private checkTokens(tokens: readonly number[], max: number = this.model.contextLength): void {
    const { architecture } = this.model;
    if (tokens.length < 1 || tokens.length > max)
      throw new RangeError(`expected 1 to ${max} tokens, found ${tokens.length}: read fewer at once`);
    const foreign = tokens.find((id) => !Number.isInteger(id) || id < 0 || id >= architecture.vocabularySize);
    if (foreign !== undefined)
      throw new RangeError(
        `expected token ids 0..${architecture.vocabularySize - 1}, found ${foreign}: encode with this model's tokenizer`,
      );
  }
}

const unexpected = "expected the inference thread to answer as it was asked, found another kind of answer: report this";
