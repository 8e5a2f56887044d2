// The decoder over ONNX Runtime: reads tokens in chunks, keeps the KV cache, expresses needs and embeds fragments.
import { availableParallelism } from "node:os";
import type { ExecutionProviderSetting } from "../protocol";
import { type Backbone, type DecodeResult, type KvCache, mostDecodedTokens, type PrefillOptions, type PrefillResult, type Priority, type Provider } from "./backbone";
import { type Graph, type OnnxRuntime, openGraph, type Pass, type Passed, type Past } from "./graph";
import type { ModelPackage } from "./model-package";
import { openWithProvider, providerHost } from "./provider";
import { abortError, WorkQueue } from "./work-queue";

export interface BackboneOptions {
  readonly provider: ExecutionProviderSetting;
  /** Intra-op threads; 0: chosen from the cores there are, {@link defaultThreads}. */
  readonly threads: number;
  /** Takes one line for people. */
  readonly log?: (line: string) => void;
  /** Takes a line for people when CUDA was asked for by name and the CPU answers. */
  readonly warn?: (line: string) => void;
  /** Tokens read between two looks at the signal; a run holds the event loop, so this is also its longest pause. */
  readonly chunkTokens?: number;
}

const defaultChunkTokens = 128;
/** Padded tokens of one embedding batch: as much as one chunk, so that a waiting completion waits no longer for it. */
const batchTokens = 128;

/** Cores of the machine up to four, counting two hardware threads as one where there are more than two. */
export function defaultThreads(logicalCores: number = availableParallelism()): number {
  const cores = logicalCores > 2 ? Math.ceil(logicalCores / 2) : logicalCores;
  return Math.max(1, Math.min(4, cores));
}

/**
 * Loads the graph of a checked package and makes sure that it is the one the package describes.
 * @throws ModelPackageError when the graph cannot be loaded on the CPU or has other inputs, outputs or sizes.
 */
export async function createBackbone(model: ModelPackage, options: BackboneOptions): Promise<Backbone> {
  let runtime: OnnxRuntime;
  try {
    runtime = await import("onnxruntime-node");
  } catch (error) {
    throw new Error(
      `onnxruntime-node: expected its native library for ${process.platform} ${process.arch}, found it not loadable (${message(error)}): install the package for this platform`,
      { cause: error },
    );
  }
  const threads = options.threads > 0 ? options.threads : defaultThreads();
  const open = (name: Provider["name"]): Promise<Graph> => openGraph(runtime, model, name, threads);
  const { provider, value: graph, warning } = await openWithProvider(options.provider, providerHost(), open);
  if (warning !== undefined) options.warn?.(warning);
  options.log?.(`${model.name} ${model.version} on ${provider.name}, threads: ${threads} (${provider.reason})`);
  return new OnnxBackbone(model, provider, graph, options.chunkTokens ?? defaultChunkTokens);
}

/** What {@link KvCache} is here. Its content goes when it is used, so that a used one cannot be read again. */
class OnnxCache implements KvCache {
  readonly length: number;
  private past: Past | undefined;

  constructor(past: Past) {
    this.length = past.length;
    this.past = past;
  }

  take(): Past {
    const { past } = this;
    if (past === undefined)
      throw new Error("expected a cache that no call has taken yet, found a used one: go on with the cache that decode or rewind returned");
    this.past = undefined;
    return past;
  }
}

class OnnxBackbone implements Backbone {
  private readonly queue = new WorkQueue();
  private disposed: Promise<void> | undefined;
  /** The whole chunks last read, of a prompt and of a query: the next keystroke's mostly begin with the same ones. */
  private readonly recent: Record<"none" | "query", { readonly tokens: readonly number[]; readonly past: Past | undefined }> = {
    none: { tokens: [], past: undefined },
    query: { tokens: [], past: undefined },
  };

  constructor(
    readonly model: ModelPackage,
    readonly provider: Provider,
    private readonly graph: Graph,
    private readonly chunkTokens: number,
  ) {}

  async prefill(tokens: readonly number[], { express = false, signal }: PrefillOptions = {}): Promise<PrefillResult> {
    const { past, logits, expression, reused } = await this.read(tokens, "none", { logits: 1, adapter: express ? "query" : "none", keep: true }, signal);
    return { cache: new OnnxCache(past), logits, ...(express && { need: expression }), reused };
  }

  async decode(cache: KvCache, tokens: readonly number[], signal?: AbortSignal): Promise<DecodeResult> {
    const held = this.own(cache);
    this.checkTokens(tokens, mostDecodedTokens);
    if (held.length + tokens.length > this.model.contextLength)
      throw new RangeError(
        `expected room in the context of ${this.model.contextLength} tokens, found ${held.length} taken and ${tokens.length} more: stop decoding`,
      );
    const { past, logits } = await this.pass(
      "completion",
      () => ({ rows: [tokens], past: held.take(), logits: tokens.length, adapter: "none", keep: true }),
      signal,
    );
    const { vocabularySize } = this.model.architecture;
    return { cache: new OnnxCache(past), logits: tokens.map((_, i) => logits.subarray(i * vocabularySize, (i + 1) * vocabularySize)) };
  }

  rewind(cache: KvCache, length: number): KvCache {
    const held = this.own(cache);
    if (!Number.isInteger(length) || length < 1 || length > held.length)
      throw new RangeError(`expected to keep 1 to ${held.length} tokens, found ${length}: a cache can only be made shorter`);
    return new OnnxCache(this.graph.cut(held.take(), length));
  }

  async express(tokens: readonly number[], signal?: AbortSignal): Promise<Float32Array> {
    const { expression } = await this.read(tokens, "query", { logits: 0, adapter: "query" }, signal);
    return expression;
  }

  async embed(fragments: readonly (readonly number[])[], signal?: AbortSignal): Promise<Float32Array[]> {
    for (const tokens of fragments) this.checkTokens(tokens);
    const vectors: Float32Array[] = [];
    const { dimension } = this.model.retrieval;
    for (const batch of batches(fragments.map((tokens) => tokens.length))) {
      const rows = batch.map((index) => fragments[index] ?? []);
      const { expression } = await this.pass("index", () => ({ rows, logits: 0, adapter: "fragment" }), signal);
      batch.forEach((index, row) => (vectors[index] = expression.slice(row * dimension, (row + 1) * dimension)));
    }
    return vectors;
  }

  dispose(): Promise<void> {
    this.disposed ??= this.queue
      .close(new Error("expected a backbone in use, found one that was disposed of: make a new one"))
      .then(() => this.graph.release());
    return this.disposed;
  }

  /**
   * Reads `tokens` chunk by chunk; `last` says what the final chunk gives. Whole chunks that a text read a moment ago
   * begins with are taken from it: the chunks are the same ones, so the result is the same to the bit.
   */
  private async read(
    tokens: readonly number[],
    kind: "none" | "query",
    last: Omit<Pass, "rows" | "past">,
    signal: AbortSignal | undefined,
  ): Promise<Passed & { reused: number }> {
    this.checkTokens(tokens);
    const memory = this.recent[kind];
    const final = Math.floor((tokens.length - 1) / this.chunkTokens) * this.chunkTokens;
    let start = Math.min(final, this.wholeChunks(memory.tokens, tokens));
    const reused = start;
    let past = start > 0 && memory.past !== undefined ? this.graph.cut(memory.past, start) : undefined;
    for (; start < final; start += this.chunkTokens) {
      const rows = [tokens.slice(start, start + this.chunkTokens)];
      const before: Past | undefined = past;
      ({ past } = await this.pass("completion", () => ({ rows, past: before, logits: 0, adapter: "none", keep: true }), signal));
      // Kept at every step: a keystroke that cancels this read goes on where it stopped.
      this.recent[kind] = { tokens: tokens.slice(0, start + this.chunkTokens), past };
    }
    const before: Past | undefined = past;
    return { ...(await this.pass("completion", () => ({ rows: [tokens.slice(final)], past: before, ...last }), signal)), reused };
  }

  /** Tokens in the whole chunks that both begin with. */
  private wholeChunks(a: readonly number[], b: readonly number[]): number {
    let common = 0;
    while (common < a.length && common < b.length && a[common] === b[common]) common++;
    return Math.floor(common / this.chunkTokens) * this.chunkTokens;
  }

  private pass(priority: Priority, pass: () => Pass, signal: AbortSignal | undefined): Promise<Passed> {
    return this.queue.run(priority, signal, async () => {
      const passed = await this.graph.run(pass());
      // Aborted while it ran: the caller has gone.
      if (signal?.aborted === true) throw abortError();
      return passed;
    });
  }

  private own(cache: KvCache): OnnxCache {
    if (!(cache instanceof OnnxCache)) throw new TypeError("expected a cache of this backbone, found another object");
    return cache;
  }

  private checkTokens(tokens: readonly number[], most: number = this.model.contextLength): void {
    const { architecture } = this.model;
    if (tokens.length < 1 || tokens.length > most)
      throw new RangeError(`expected 1 to ${most} tokens, found ${tokens.length}: read fewer at once`);
    const foreign = tokens.find((id) => !Number.isInteger(id) || id < 0 || id >= architecture.vocabularySize);
    if (foreign !== undefined)
      throw new RangeError(
        `expected token ids 0..${architecture.vocabularySize - 1}, found ${foreign}: encode with this model's tokenizer`,
      );
  }
}

/** Groups of indices whose rows, padded to the longest, hold at most {@link batchTokens}; alike lengths stand together. */
function batches(lengths: readonly number[]): number[][] {
  const order = lengths.map((length, index) => ({ length, index })).sort((a, b) => a.length - b.length);
  const groups: number[][] = [];
  let group: number[] = [];
  for (const { length, index } of order) {
    if (group.length > 0 && (group.length + 1) * length > batchTokens) {
      groups.push(group);
      group = [];
    }
    group.push(index);
  }
  if (group.length > 0) groups.push(group);
  return groups;
}

function message(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n", 1)[0] ?? "";
}
