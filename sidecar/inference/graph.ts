// The ONNX graph of a model package: its inputs and outputs in terms of token rows, and the check of their names and sizes.

import type { InferenceSession, OnnxValue, Tensor } from "onnxruntime-node";
import { errorMessage } from "../host/errors";
import type { Provider } from "./backbone";
import type { OnnxRuntime } from "./onnx-runtime";
import type { ModelPackage } from "./package/model-package";
import { ModelPackageError } from "./package/model-package-error";

/** Values of the graph's input `adapter`: no expression, or the L-LoRA adapter that computes it. */
const adapters = { none: -1, query: 0, fragment: 1 } as const;
export type Adapter = keyof typeof adapters;

/** The inputs of a run. */
export interface GraphRun {
  /** Rows of new tokens; more than one row only without `past`. */
  readonly rows: readonly Int32Array[];
  readonly past?: Past | undefined;
  /** The number of last tokens of each row after which logits are computed. */
  readonly logits: number;
  readonly adapter: Adapter;
  /** Whether to compute the attention weights of the expression too; only with the query adapter. */
  readonly attention?: boolean;
  /** Whether to return the rows for the KV cache; only for one row of tokens. */
  readonly cacheRows?: boolean;
}

/** The KV cache as inputs of the graph: buffers that hold `length` tokens and have room for those of the request. */
export interface Past {
  readonly length: number;
  /** The tensors by input name. */
  readonly tensors: ReadonlyMap<string, OnnxValue>;
}

/** Keys and values: float32, or the bits of float16 when the model computes in it. */
export type CacheNumbers = Float32Array | Uint16Array;

/** The rows that a run adds to the cache: [layers, keyValueHeads, tokens, headDim], of `need` [layers, tokens, 2 x rank]. */
export interface NewRows {
  readonly key: CacheNumbers;
  readonly value: CacheNumbers;
  readonly need: Float32Array;
}

/** The outputs of a run. */
export interface GraphOutputs {
  /** With {@link GraphRun.cacheRows}. */
  readonly rows: NewRows | undefined;
  /** Rows x positions x vocabulary. */
  readonly logits: Float32Array;
  /** Rows x dimension. */
  readonly expression: Float32Array;
  /** With {@link GraphRun.attention}: layers x rows x (past and new tokens), adding up to 1 for each layer and row. */
  readonly attention: Float32Array;
}

/** Wraps every call into ONNX Runtime. */
export type Guard = <T>(run: () => Promise<T>) => Promise<T>;

/** A session of ONNX Runtime with token rows as inputs. */
export class Graph {
  private readonly nothing: Past;

  constructor(
    private readonly runtime: OnnxRuntime,
    private readonly session: InferenceSession,
    private readonly model: ModelPackage,
    private readonly guard: Guard,
  ) {
    this.nothing = this.empty(1);
  }

  release(): Promise<void> {
    return this.session.release();
  }

  /** Runs the session. It blocks the event loop. */
  async run(request: GraphRun): Promise<GraphOutputs> {
    const { Tensor } = this.runtime;
    const rows = request.rows.length;
    const width = Math.max(...request.rows.map((row) => row.length));
    const ids = new BigInt64Array(rows * width);
    for (const [r, row] of request.rows.entries()) ids.set(BigInt64Array.from(row, BigInt), r * width);
    const lengths = BigInt64Array.from(request.rows, (row) => BigInt(row.length));
    const positions = BigInt64Array.from(
      request.rows.flatMap(({ length }) =>
        Array.from({ length: request.logits }, (_, i) => BigInt(length - request.logits + i)),
      ),
    );
    const past = request.past ?? (rows === 1 ? this.nothing : this.empty(rows));
    const feeds: Record<string, OnnxValue> = {
      input_ids: new Tensor("int64", ids, [rows, width]),
      lengths: new Tensor("int64", lengths, [rows]),
      logit_positions: new Tensor("int64", positions, [rows, request.logits]),
      adapter: new Tensor("int64", BigInt64Array.of(BigInt(adapters[request.adapter])), [1]),
      past_length: new Tensor("int64", BigInt64Array.of(BigInt(past.length)), [1]),
    };
    for (const [name, tensor] of past.tensors) feeds[name] = tensor;
    const wanted: string[] = [];
    if (request.logits > 0) wanted.push("logits");
    if (request.adapter !== "none") wanted.push("expression");
    if (request.attention === true) wanted.push("attention");
    if (request.cacheRows === true) wanted.push("new.key", "new.value", "new.need");
    const results = await this.guard(() => this.session.run(feeds, wanted));
    return {
      rows:
        request.cacheRows === true
          ? {
              key: cacheNumbers(results, "new.key"),
              value: cacheNumbers(results, "new.value"),
              need: floats(results, "new.need"),
            }
          : undefined,
      logits: request.logits > 0 ? floats(results, "logits") : new Float32Array(0),
      expression: request.adapter === "none" ? new Float32Array(0) : floats(results, "expression"),
      attention: request.attention === true ? floats(results, "attention") : new Float32Array(0),
    };
  }

  private empty(rows: number): Past {
    const { layers, keyValueHeads, headDim } = this.model.architecture;
    const { Tensor } = this.runtime;
    const type = cacheType(this.model);
    const tensors = new Map<string, OnnxValue>([
      [pastNeed, new Tensor("float32", new Float32Array(0), [layers, rows, 0, 2 * this.model.retrieval.rank])],
    ]);
    for (let layer = 0; layer < layers; layer++) {
      for (const part of ["key", "value"] as const) {
        const nothing = type === "float16" ? new Uint16Array(0) : new Float32Array(0);
        tensors.set(pastOf(layer, part), new Tensor(type, nothing, [rows, keyValueHeads, 0, headDim]));
      }
    }
    return { length: 0, tensors };
  }
}

/** The input with the needs of all layers, and the inputs with the keys or values of one layer. */
export const pastNeed = "past.need";
export function pastOf(layer: number, part: "key" | "value"): string {
  return `past.${layer}.${part}`;
}

/** Type of keys and values. */
export function cacheType({ weights }: ModelPackage): "float32" | "float16" {
  return weights?.computed === "float16" ? "float16" : "float32";
}

function cacheNumbers(results: InferenceSession.ReturnType, name: string): CacheNumbers {
  const data = results[name]?.data;
  if (data instanceof Float32Array || data instanceof Uint16Array) return data;
  // Node.js 24 and later have an array type for float16; only its bits are used.
  if (ArrayBuffer.isView(data) && data.byteLength === 2 * data.length)
    return new Uint16Array(data.buffer, data.byteOffset, data.length);
  throw new Error(
    `expected float32 or float16 in the graph's output ${name}, found something else: install the model package again`,
  );
}

function floats(results: InferenceSession.ReturnType, name: string): Float32Array {
  const data = results[name]?.data;
  if (!(data instanceof Float32Array))
    throw new Error(
      `expected float32 in the graph's output ${name}, found something else: install the model package again`,
    );
  return data;
}

/**
 * Loads the graph of a checked package on one provider and runs it once.
 * @throws ModelPackageError when it cannot be loaded, or its inputs, outputs or sizes differ from the package's model.json.
 */
export async function openGraph(
  runtime: OnnxRuntime,
  model: ModelPackage,
  provider: Provider["name"],
  threads: number,
  guard: Guard,
): Promise<Graph> {
  const session = await guard(() => openSession(runtime, model, provider, threads));
  try {
    checkSignature(session, model);
    const graph = new Graph(runtime, session, model, guard);
    // A provider that loads may still lack a kernel or a driver, which only a run shows.
    await graph.run({ rows: [Int32Array.of(0)], logits: 1, adapter: "query" });
    return graph;
  } catch (error) {
    await session.release();
    throw error;
  }
}

async function openSession(
  runtime: OnnxRuntime,
  model: ModelPackage,
  provider: Provider["name"],
  threads: number,
): Promise<InferenceSession> {
  try {
    return await runtime.InferenceSession.create(model.graphPath, {
      executionProviders: provider === "cuda" ? ["cuda", "cpu"] : ["cpu"],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: "sequential",
      graphOptimizationLevel: "all",
      logSeverityLevel: 3,
      // Threads that spin for some microseconds bridge the gap between two operators: decode steps take 0.75 of the time.
      // Chosen by measurement; see "Options of ONNX Runtime" in docs/benchmarks.md.
      extra: { session: { intra_op: { allow_spinning: "1", spin_duration_us: "50", spin_backoff_max: "8" } } },
    });
  } catch (error) {
    // The error of another provider is not the fault of the package.
    if (provider !== "cpu") throw error;
    throw new ModelPackageError(
      `${model.graphPath}: expected a graph that ONNX Runtime loads on ${provider}, found: ${errorMessage(error)}. Install the model package again.`,
      { cause: error },
    );
  }
}

interface Expected {
  readonly type: Tensor.Type;
  /** Undefined for a dynamic size. */
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
    ["past_length", { type: "int64", shape: [1] }],
  ]);
  const outputs = new Map<string, Expected>([
    ["logits", { type: "float32", shape: [undefined, undefined, vocabularySize] }],
    ["expression", { type: "float32", shape: [undefined, dimension] }],
    ["attention", { type: "float32", shape: [undefined, undefined] }],
    ["new.need", { type: "float32", shape: [layers, undefined, 2 * rank] }],
  ]);
  for (const part of ["key", "value"] as const) {
    const shape = [undefined, keyValueHeads, undefined, headDim];
    // All layers, concatenated.
    outputs.set(`new.${part}`, { type: cacheType(model), shape });
    for (let layer = 0; layer < layers; layer++) inputs.set(pastOf(layer, part), { type: cacheType(model), shape });
  }
  inputs.set(pastNeed, { type: "float32", shape: [layers, undefined, undefined, 2 * rank] });
  return { inputs, outputs };
}

function checkSignature(session: InferenceSession, model: ModelPackage): void {
  const expected = signature(model);
  const sides = [
    ["input", expected.inputs, session.inputMetadata],
    ["output", expected.outputs, session.outputMetadata],
  ] as const;
  for (const [side, wanted, found] of sides) {
    const refusal = (what: string, was: string) =>
      new ModelPackageError(
        `${model.graphPath}: expected ${what}, found ${was}. The graph and model.json belong to different models: install the model package again.`,
      );
    for (const metadata of found)
      if (!wanted.has(metadata.name))
        throw refusal(`no ${side} but those of model.json`, `the ${side} ${metadata.name}`);
    for (const [name, { type, shape }] of wanted) {
      const metadata = found.find((candidate) => candidate.name === name);
      if (metadata === undefined) throw refusal(`an ${side} ${name}`, "none");
      const description = metadata.isTensor ? `${metadata.type}[${metadata.shape.join(", ")}]` : "no tensor";
      const fits =
        metadata.isTensor &&
        metadata.type === type &&
        metadata.shape.length === shape.length &&
        metadata.shape.every((size, axis) => shape[axis] === undefined || size === shape[axis]);
      if (!fits)
        throw refusal(
          `the ${side} ${name} to be ${type}[${shape.map((size) => size ?? "any").join(", ")}]`,
          description,
        );
    }
  }
}
