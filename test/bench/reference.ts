// The machine's speed at this moment: one fixed matrix product in ONNX Runtime, in whose time all others are also given.
import { loadOnnxRuntime } from "../../sidecar/inference/onnx-runtime";

/** Side of the square float32 matrices: 2 x 512^3 = 0.27 GFLOP a product. */
const side = 512;

export interface Reference {
  /** Milliseconds of one product now: the mean over at least `leastMs` of them, so that a busy moment counts as it does for the rest. */
  measure(leastMs: number): Promise<number>;
}

/** Makes the reference with as many threads as the model gets. */
export async function createReference(threads: number): Promise<Reference> {
  const { InferenceSession, Tensor } = await loadOnnxRuntime();
  const session = await InferenceSession.create(matrixProductGraph(), {
    intraOpNumThreads: threads,
    executionProviders: ["cpu"],
  });
  const values = Float32Array.from({ length: side * side }, (_, at) => ((at * 7919) % 1009) / 1009 - 0.5);
  const feeds = {
    a: new Tensor("float32", values, [side, side]),
    b: new Tensor("float32", values.slice(), [side, side]),
  };
  return {
    async measure(leastMs) {
      const start = performance.now();
      let products = 0;
      do {
        await session.run(feeds);
        products += 1;
      } while (performance.now() - start < leastMs);
      return (performance.now() - start) / products;
    },
  };
}

/** An ONNX model of one MatMul, written by hand in protocol buffers (field numbers of onnx.proto). */
function matrixProductGraph(): Uint8Array {
  const varint = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >> 7)]);
  const number = (field: number, value: number) => [...varint(field * 8), ...varint(value)];
  const bytes = (field: number, content: readonly number[]) => [
    ...varint(field * 8 + 2),
    ...varint(content.length),
    ...content,
  ];
  const text = (field: number, content: string) => bytes(field, [...Buffer.from(content)]);
  const dimension = bytes(1, number(1, side));
  const matrix = (name: string) => [
    ...text(1, name),
    ...bytes(2, bytes(1, [...number(1, 1), ...bytes(2, [...dimension, ...dimension])])),
  ];
  const node = [...text(1, "a"), ...text(1, "b"), ...text(2, "c"), ...text(4, "MatMul")];
  const graph = [
    ...bytes(1, node),
    ...text(2, "reference"),
    ...bytes(11, matrix("a")),
    ...bytes(11, matrix("b")),
    ...bytes(12, matrix("c")),
  ];
  return Uint8Array.from([...number(1, 8), ...bytes(7, graph), ...bytes(8, number(2, 17))]);
}
