// The memory bandwidth in ONNX Runtime with the model's threads, which bounds decoding: each token reads all weights.
import { readFileSync } from "node:fs";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { loadOnnxRuntime } from "../../../sidecar/inference/onnx-runtime";
import type { ModelManifest } from "../../../sidecar/inference/package/model-manifest";

/** Factor over the last-level cache when the weights do not fit in it, so that the buffer does not fit either. */
const cachesOver = 4;
const minLargeBytes = 256 << 20;
const columns = 4096;

export interface Bandwidth {
  /** Size of the buffer: the model's size if it fits in the last-level cache, else several times that cache. */
  readonly bytes: number;
  readonly inCache: boolean;
  /** Bytes of the last-level cache; undefined when unknown. */
  readonly cacheBytes: number | undefined;
  /** Bytes per second: the faster of two ways of reading, each measured for `ms` milliseconds. */
  measure(ms: number): Promise<number>;
  release(): Promise<void>;
}

/** Bytes read per decoded token: every matrix in its type of computation, and the keys and values of `past` tokens. */
export function bytesPerToken(
  { architecture: a, weights }: Pick<ModelManifest, "architecture" | "weights">,
  past: number,
): number {
  const attention = a.hiddenSize * a.headDim * 2 * (a.queryHeads + a.keyValueHeads);
  const matrices = a.layers * (attention + 3 * a.hiddenSize * a.intermediateSize) + a.vocabularySize * a.hiddenSize;
  const computed = weights?.computed ?? "float32";
  return (
    matrices * { int8: 1, float16: 2, float32: 4 }[computed] +
    a.layers * 2 * a.keyValueHeads * a.headDim * past * (computed === "float16" ? 2 : 4)
  );
}

/** Prepares the measurement for a model of `modelBytes` bytes with the model's number of threads. */
export async function createBandwidth(modelBytes: number, threads: number): Promise<Bandwidth> {
  const cacheBytes = lastCacheBytes();
  const inCache = cacheBytes !== undefined && modelBytes <= cacheBytes;
  const wanted = inCache ? modelBytes : Math.max(minLargeBytes, cachesOver * (cacheBytes ?? 0));
  const rows = Math.ceil(wanted / 4 / columns);
  const { InferenceSession, Tensor } = await loadOnnxRuntime();
  const data = new Tensor("float32", new Float32Array(rows * columns).fill(1), [rows, columns]);
  // The mean of each row, and the product of a vector and the matrix as in decoding. Which one is faster depends on the machine.
  const options = { intraOpNumThreads: threads, executionProviders: ["cpu"] };
  const mean = await InferenceSession.create(meanGraph(rows), options);
  const product = await InferenceSession.create(productGraph(rows), options);
  const vector = new Tensor("float32", new Float32Array(rows).fill(1), [1, rows]);
  const ways = [() => mean.run({ data }), () => product.run({ vector, data })];
  return {
    bytes: rows * columns * 4,
    inCache,
    cacheBytes,
    async measure(ms) {
      let best = 0;
      for (const read of ways) {
        await read();
        const start = performance.now();
        let reads = 0;
        do {
          await read();
          reads += 1;
        } while (performance.now() - start < ms);
        best = Math.max(best, (reads * rows * columns * 4 * 1000) / (performance.now() - start));
      }
      return best;
    },
    async release() {
      await mean.release();
      await product.release();
    },
  };
}

/** Size of the largest cache of the first core, as reported by Linux. */
function lastCacheBytes(): number | undefined {
  let largest: number | undefined;
  for (let index = 0; ; index++) {
    let text: string;
    try {
      text = readFileSync(`/sys/devices/system/cpu/cpu0/cache/index${index}/size`, "utf8");
    } catch {
      return largest;
    }
    const [, digits = "0", unit] = /^(\d+)([KM])?/.exec(text) ?? [];
    largest = Math.max(largest ?? 0, Number(digits) * (unit === "M" ? 1 << 20 : unit === "K" ? 1 << 10 : 1));
  }
}

type Field = readonly [field: number, value: number | string | Uint8Array];

/** A message in protocol buffers, with field numbers of onnx.proto. */
function message(...fields: readonly Field[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const [field, value] of fields) {
    if (typeof value === "number") writer.tag(field, WireType.Varint).int32(value);
    else if (typeof value === "string") writer.tag(field, WireType.LengthDelimited).string(value);
    else writer.tag(field, WireType.LengthDelimited).bytes(value);
  }
  return writer.finish();
}

/** `name` as a float32 matrix, a ValueInfoProto. */
function matrix(name: string, rows: number, width: number): Uint8Array {
  const shape = message([1, message([1, rows])], [1, message([1, width])]);
  return message([1, name], [2, message([1, message([1, 1], [2, shape])])]);
}

/** An ONNX model around one node. */
function model(node: Uint8Array, inputs: readonly Uint8Array[], output: Uint8Array): Uint8Array {
  const inputFields = inputs.map((input) => [11, input] as const);
  const graph = message([1, node], [2, "bandwidth"], ...inputFields, [12, output]);
  return message([1, 8], [7, graph], [8, message([2, 17])]);
}

function meanGraph(rows: number): Uint8Array {
  const axes = message([1, "axes"], [8, 1], [20, 7]);
  const node = message([1, "data"], [2, "result"], [4, "ReduceMean"], [5, axes]);
  return model(node, [matrix("data", rows, columns)], matrix("result", rows, 1));
}

function productGraph(rows: number): Uint8Array {
  const node = message([1, "vector"], [1, "data"], [2, "result"], [4, "MatMul"]);
  return model(node, [matrix("vector", 1, rows), matrix("data", rows, columns)], matrix("result", 1, columns));
}
