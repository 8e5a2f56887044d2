// The decoder over ONNX Runtime: reads tokens in chunks, keeps the KV cache, expresses needs and embeds fragments.
import { availableParallelism } from "node:os";
import type { InferenceSession, OnnxValue, Tensor } from "onnxruntime-node";
import type { ExecutionProviderSetting } from "../protocol";
import type { Backbone, DecodeResult, KvCache, PrefillResult, Priority, Provider } from "./backbone";
import { ModelPackageError, type ModelPackage } from "./model-package";
import { openWithProvider, providerHost } from "./provider";
import { abortError, WorkQueue } from "./work-queue";

type OnnxRuntime = typeof import("onnxruntime-node");

export interface BackboneOptions {
  readonly provider: ExecutionProviderSetting;
  /** Intra-op threads; 0: chosen from the cores there are, {@link defaultThreads}. */
  readonly threads: number;
  /** Takes one line for people. */
  readonly log?: (line: string) => void;
  /** Tokens read between two looks at the signal; a run holds the event loop, so this is also its longest pause. */
  readonly chunkTokens?: number;
}

/** No expression, and which L-LoRA adapter makes it: values of the graph's input `adapter`. */
const adapters = { none: -1, query: 0, fragment: 1 } as const;
type Adapter = keyof typeof adapters;

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
    throw new Error(`onnxruntime-node: expected its native library for ${process.platform} ${process.arch}, found it not loadable (${message(error)}): install the package for this platform`, { cause: error });
  }
  const threads = options.threads > 0 ? options.threads : defaultThreads();
  const { provider, value: session, warning } = await openWithProvider(options.provider, providerHost(), async (name) => {
    const opened = await openSession(runtime, model, name, threads);
    try {
      checkSignature(opened, model);
      // A provider that loads may still lack a kernel or a driver: only a run proves it.
      await new Graph(runtime, opened, model).run({ rows: [[0]], logits: true, adapter: "query" });
      return opened;
    } catch (error) {
      await opened.release();
      throw error;
    }
  });
  if (warning !== undefined) options.log?.(warning);
  options.log?.(`${model.name} ${model.version} on ${provider.name} with ${threads} threads (${provider.reason})`);
  return new OnnxBackbone(model, provider, new Graph(runtime, session, model), options.chunkTokens ?? defaultChunkTokens);
}

async function openSession(runtime: OnnxRuntime, model: ModelPackage, provider: Provider["name"], threads: number): Promise<InferenceSession> {
  try {
    return await runtime.InferenceSession.create(model.graphPath, {
      executionProviders: provider === "cuda" ? ["cuda", "cpu"] : ["cpu"],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: "sequential",
      graphOptimizationLevel: "all",
      logSeverityLevel: 3,
      // Threads that spin between runs win a little on an idle machine and lose much beside language servers and builds.
      extra: { session: { intra_op: { allow_spinning: "0" } } },
    });
  } catch (error) {
    throw new ModelPackageError(`${model.graphPath}: expected a graph that ONNX Runtime loads on ${provider}, found: ${message(error)}. Install the model package again.`, { cause: error });
  }
}

interface Expected {
  readonly type: Tensor.Type;
  /** Undefined where the size is free. */
  readonly shape: readonly (number | undefined)[];
}

function signature(model: ModelPackage): { inputs: Map<string, Expected>; outputs: Map<string, Expected> } {
  const { layers, keyValueHeads, headDim, vocabularySize } = model.architecture;
  const { dimension, rank } = model.retrieval;
  const inputs = new Map<string, Expected>([
    ["input_ids", { type: "int64", shape: [undefined, undefined] }],
    ["lengths", { type: "int64", shape: [undefined] }],
    ["logit_positions", { type: "int64", shape: [undefined, undefined] }],
    ["adapter", { type: "int64", shape: [1] }],
  ]);
  const outputs = new Map<string, Expected>([
    ["logits", { type: "float32", shape: [undefined, undefined, vocabularySize] }],
    ["expression", { type: "float32", shape: [undefined, dimension] }],
  ]);
  for (const [side, names] of [["past", inputs], ["present", outputs]] as const) {
    for (let layer = 0; layer < layers; layer++) {
      for (const part of ["key", "value"]) names.set(`${side}.${layer}.${part}`, { type: "float32", shape: [undefined, keyValueHeads, undefined, headDim] });
      names.set(`${side}.${layer}.need`, { type: "float32", shape: [undefined, undefined, 2 * rank] });
    }
  }
  return { inputs, outputs };
}

function checkSignature(session: InferenceSession, model: ModelPackage): void {
  const expected = signature(model);
  const sides = [
    ["input", expected.inputs, session.inputMetadata],
    ["output", expected.outputs, session.outputMetadata],
  ] as const;
  for (const [side, wanted, found] of sides) {
    const refuse = (what: string, was: string): never => {
      throw new ModelPackageError(`${model.graphPath}: expected ${what}, found ${was}. The graph and model.json are not of one model: install the model package again.`);
    };
    for (const metadata of found) if (!wanted.has(metadata.name)) refuse(`no ${side} but those of model.json`, `the ${side} ${metadata.name}`);
    for (const [name, { type, shape }] of wanted) {
      const metadata = found.find((candidate) => candidate.name === name);
      if (metadata === undefined) return refuse(`an ${side} ${name}`, "none");
      const told = metadata.isTensor ? `${metadata.type}[${metadata.shape.join(", ")}]` : "no tensor";
      const fits =
        metadata.isTensor && metadata.type === type && metadata.shape.length === shape.length && metadata.shape.every((size, axis) => shape[axis] === undefined || size === shape[axis]);
      if (!fits) refuse(`the ${side} ${name} to be ${type}[${shape.map((size) => size ?? "any").join(", ")}]`, told);
    }
  }
}

interface Pass {
  /** New tokens, one row each; more than one row only without `past`. */
  readonly rows: readonly (readonly number[])[];
  readonly past?: Past;
  /** Whether the logits after each row's last token are wanted. */
  readonly logits: boolean;
  readonly adapter: Adapter;
  /** Whether the cache is wanted back. */
  readonly keep?: boolean;
}

/** Cached tensors by the name they have as inputs. */
interface Past {
  readonly length: number;
  readonly tensors: ReadonlyMap<string, OnnxValue>;
}

interface Passed {
  readonly past: Past;
  /** Rows x vocabulary; empty unless wanted. */
  readonly logits: Float32Array;
  /** Rows x dimension. */
  readonly expression: Float32Array;
}

/** One session, in terms of token rows. */
class Graph {
  private readonly layers: readonly string[];
  private readonly nothing: Past;

  constructor(
    private readonly runtime: OnnxRuntime,
    private readonly session: InferenceSession,
    private readonly model: ModelPackage,
  ) {
    this.layers = Array.from({ length: model.architecture.layers }, (_, layer) => ["key", "value", "need"].map((part) => `${layer}.${part}`)).flat();
    this.nothing = this.empty(1);
  }

  release(): Promise<void> {
    return this.session.release();
  }

  /** One run of the session. It holds the event loop until it is done. */
  async run(pass: Pass): Promise<Passed> {
    const { Tensor } = this.runtime;
    const rows = pass.rows.length;
    const width = Math.max(...pass.rows.map((row) => row.length));
    const ids = new BigInt64Array(rows * width);
    pass.rows.forEach((row, r) => row.forEach((id, i) => (ids[r * width + i] = BigInt(id))));
    const lengths = BigInt64Array.from(pass.rows, (row) => BigInt(row.length));
    const positions = pass.logits ? lengths.map((length) => length - 1n) : new BigInt64Array(0);
    const adapter = this.model.retrieval.adapters === "shared" ? Math.min(adapters[pass.adapter], 0) : adapters[pass.adapter];
    const past = pass.past ?? (rows === 1 ? this.nothing : this.empty(rows));
    const feeds: Record<string, OnnxValue> = {
      input_ids: new Tensor("int64", ids, [rows, width]),
      lengths: new Tensor("int64", lengths, [rows]),
      logit_positions: new Tensor("int64", positions, [rows, pass.logits ? 1 : 0]),
      adapter: new Tensor("int64", BigInt64Array.of(BigInt(adapter)), [1]),
    };
    for (const [name, tensor] of past.tensors) feeds[name] = tensor;
    const wanted: string[] = [];
    if (pass.logits) wanted.push("logits");
    if (pass.adapter !== "none") wanted.push("expression");
    if (pass.keep === true) for (const name of this.layers) wanted.push(`present.${name}`);
    const results = await this.session.run(feeds, wanted);
    const tensors = new Map<string, OnnxValue>();
    if (pass.keep === true) for (const name of this.layers) tensors.set(`past.${name}`, output(results, `present.${name}`));
    return {
      past: { length: past.length + width, tensors },
      logits: pass.logits ? floats(results, "logits") : new Float32Array(0),
      expression: pass.adapter === "none" ? new Float32Array(0) : floats(results, "expression"),
    };
  }

  /** The first `length` tokens of a cache of one row. */
  cut(past: Past, length: number): Past {
    if (length === past.length) return past;
    const tensors = new Map<string, OnnxValue>();
    for (const [name, { data, dims }] of past.tensors) {
      if (!(data instanceof Float32Array)) throw new Error(`expected float32 in ${name}, found something else: install the model package again`);
      const axis = name.endsWith(".need") ? 1 : 2;
      const size = (from: number, to?: number): number => dims.slice(from, to).reduce((product, dim) => product * dim, 1);
      const [heads, row] = [size(0, axis), size(axis + 1)];
      const kept = new Float32Array(heads * length * row);
      for (let head = 0; head < heads; head++) kept.set(data.subarray(head * past.length * row, (head * past.length + length) * row), head * length * row);
      tensors.set(name, new this.runtime.Tensor("float32", kept, [...dims.slice(0, axis), length, ...dims.slice(axis + 1)]));
    }
    return { length, tensors };
  }

  private empty(rows: number): Past {
    const { keyValueHeads, headDim } = this.model.architecture;
    const make = (dims: number[]): OnnxValue => new this.runtime.Tensor("float32", new Float32Array(0), dims);
    return {
      length: 0,
      tensors: new Map(this.layers.map((name) => [`past.${name}`, make(name.endsWith(".need") ? [rows, 0, 2 * this.model.retrieval.rank] : [rows, keyValueHeads, 0, headDim])])),
    };
  }
}

function output(results: InferenceSession.ReturnType, name: string): OnnxValue {
  const value = results[name];
  if (value === undefined) throw new Error(`expected the graph's output ${name}, found none: install the model package again`);
  return value;
}

function floats(results: InferenceSession.ReturnType, name: string): Float32Array {
  const { data } = output(results, name);
  if (!(data instanceof Float32Array)) throw new Error(`expected float32 in the graph's output ${name}, found something else: install the model package again`);
  return data;
}

/** What {@link KvCache} is here. Its content goes when it is used, so that a used one cannot be read again. */
class OnnxCache implements KvCache {
  readonly length: number;
  private past: Past | undefined;

  constructor(past: Past) {
    this.length = past.length;
    this.past = past;
  }

  get usable(): boolean {
    return this.past !== undefined;
  }

  take(): Past {
    const { past } = this;
    if (past === undefined) throw new Error("expected a cache that was not decoded from yet, found a used one: go on with the cache that decode returned");
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

  async warmUp(): Promise<void> {
    const tokens = Array.from({ length: Math.min(this.chunkTokens + 1, this.model.contextLength - 1) }, () => 0);
    const { cache } = await this.prefill(tokens);
    await this.decode(cache, 0);
    await this.express(tokens);
  }

  async prefill(tokens: readonly number[], signal?: AbortSignal): Promise<PrefillResult> {
    const { past, logits } = await this.read(tokens, { logits: true, adapter: "none", keep: true }, signal);
    return { cache: new OnnxCache(past), logits };
  }

  async decode(cache: KvCache, token: number, signal?: AbortSignal): Promise<DecodeResult> {
    if (!(cache instanceof OnnxCache)) throw new TypeError("expected a cache of this backbone, found another object");
    this.checkTokens([token]);
    if (cache.length + 1 > this.model.contextLength) throw new RangeError(`expected room in the context of ${this.model.contextLength} tokens, found it full: stop decoding`);
    const { past, logits } = await this.pass("completion", () => ({ rows: [[token]], past: cache.take(), logits: true, adapter: "none", keep: true }), signal);
    return { cache: new OnnxCache(past), logits };
  }

  async express(tokens: readonly number[], signal?: AbortSignal): Promise<Float32Array> {
    const { expression } = await this.read(tokens, { logits: false, adapter: "query" }, signal);
    return expression;
  }

  async embed(fragments: readonly (readonly number[])[], signal?: AbortSignal): Promise<Float32Array[]> {
    for (const tokens of fragments) this.checkTokens(tokens);
    const vectors: Float32Array[] = [];
    const { dimension } = this.model.retrieval;
    for (const batch of batches(fragments.map((tokens) => tokens.length))) {
      const rows = batch.map((index) => fragments[index] ?? []);
      const { expression } = await this.pass("index", () => ({ rows, logits: false, adapter: "fragment" }), signal);
      batch.forEach((index, row) => (vectors[index] = expression.slice(row * dimension, (row + 1) * dimension)));
    }
    return vectors;
  }

  dispose(): Promise<void> {
    this.disposed ??= this.queue.close(new Error("expected a backbone in use, found one that was disposed of: make a new one")).then(() => this.graph.release());
    return this.disposed;
  }

  /**
   * Reads `tokens` chunk by chunk; `last` says what the final chunk gives. Whole chunks that a text read a moment ago
   * begins with are taken from it: the chunks are the same ones, so the result is the same to the bit.
   */
  private async read(tokens: readonly number[], last: Omit<Pass, "rows" | "past" | "adapter"> & { readonly adapter: "none" | "query" }, signal: AbortSignal | undefined): Promise<Passed> {
    this.checkTokens(tokens);
    const memory = this.recent[last.adapter];
    const final = Math.floor((tokens.length - 1) / this.chunkTokens) * this.chunkTokens;
    let start = Math.min(final, this.wholeChunks(memory.tokens, tokens));
    let past = start > 0 && memory.past !== undefined ? this.graph.cut(memory.past, start) : undefined;
    for (; start < final; start += this.chunkTokens) {
      const rows = [tokens.slice(start, start + this.chunkTokens)];
      const before: Past | undefined = past;
      ({ past } = await this.pass("completion", () => ({ rows, ...(before && { past: before }), logits: false, adapter: "none", keep: true }), signal));
      // Kept at every step: a keystroke that cancels this read goes on where it stopped.
      this.recent[last.adapter] = { tokens: tokens.slice(0, start + this.chunkTokens), past };
    }
    const before: Past | undefined = past;
    return this.pass("completion", () => ({ rows: [tokens.slice(final)], ...(before && { past: before }), ...last }), signal);
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

  private checkTokens(tokens: readonly number[]): void {
    const { contextLength, architecture } = this.model;
    if (tokens.length < 1 || tokens.length > contextLength) throw new RangeError(`expected 1 to ${contextLength} tokens, found ${tokens.length}: cut the text to the context length`);
    const foreign = tokens.find((id) => !Number.isInteger(id) || id < 0 || id >= architecture.vocabularySize);
    if (foreign !== undefined) throw new RangeError(`expected token ids 0..${architecture.vocabularySize - 1}, found ${foreign}: encode with this model's tokenizer`);
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
  return error instanceof Error ? error.message : String(error);
}
