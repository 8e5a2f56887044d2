// The memory bandwidth in ONNX Runtime with the model's threads, which bounds decoding: each token reads all weights.
import { readFileSync } from "node:fs";
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

const varint = (value: number): number[] =>
  value < 128 ? [value] : [(value & 127) | 128, ...varint(Math.floor(value / 128))];
const number = (field: number, value: number): number[] => [...varint(field * 8), ...varint(value)];
const bytes = (field: number, content: readonly number[]): number[] => [
  ...varint(field * 8 + 2),
  ...varint(content.length),
  ...content,
];
const text = (field: number, content: string): number[] => bytes(field, [...Buffer.from(content)]);

/** `name` as a float32 matrix, a ValueInfoProto. */
function matrix(name: string, rows: number, width: number): number[] {
  const dimension = (size: number): number[] => bytes(1, number(1, size));
  return [
    ...text(1, name),
    ...bytes(2, bytes(1, [...number(1, 1), ...bytes(2, [...dimension(rows), ...dimension(width)])])),
  ];
}

/** An ONNX model around one node, written by hand in protocol buffers (field numbers of onnx.proto). */
function model(node: readonly number[], inputs: readonly (readonly number[])[], output: readonly number[]): Uint8Array {
  const graph = [
    ...bytes(1, node),
    ...text(2, "bandwidth"),
    ...inputs.flatMap((input) => bytes(11, input)),
    ...bytes(12, output),
  ];
  return Uint8Array.from([...number(1, 8), ...bytes(7, graph), ...bytes(8, number(2, 17))]);
}

function meanGraph(rows: number): Uint8Array {
  const axes = bytes(5, [...text(1, "axes"), ...number(8, 1), ...number(20, 7)]);
  return model(
    [...text(1, "data"), ...text(2, "result"), ...text(4, "ReduceMean"), ...axes],
    [matrix("data", rows, columns)],
    matrix("result", rows, 1),
  );
}

function productGraph(rows: number): Uint8Array {
  const node = [...text(1, "vector"), ...text(1, "data"), ...text(2, "result"), ...text(4, "MatMul")];
  return model(node, [matrix("vector", 1, rows), matrix("data", rows, columns)], matrix("result", 1, columns));
}
