// Whether ONNX Runtime adds products of 8-bit numbers exactly on this processor, found by having it do so.

import type { OnnxRuntime } from "./onnx-runtime";
import type { ModelManifest } from "./package/model-manifest";
import { ModelPackageError } from "./package/model-package-error";

/**
 * An ONNX model (opset 21) of two nodes, serialised: `b = ConstantOfShape([64, 64])` of int8 127, which the runtime turns into a
 * weight, and `y = MatMulInteger(a, b)` for uint8 `a` [m, 64].
 */
const model =
  "CAoSADqVAQovCgFzEgFiIg9Db25zdGFudE9mU2hhcGUqFgoFdmFsdWUqCggBEAMqAX9CAXagAQQKGAoBYQoBYhIBeSINTWF0TXVsSW50ZWdlchIBZyoZCAIQB0IBc0oQQAAAAAAAAABAAAAAAAAAAFoUCgFhEg8KDQgCEgkKAxIBbQoCCEBiFAoBeRIPCg0IBhIJCgMSAW0KAghAQgQKABAV";
const length = 64;
/** One row goes through other code than several. */
const rowCounts = [1, 2, 16];

/**
 * Processors without instructions for such sums (x86 without VNNI) add two products at a time in 16 bits, which overflow where
 * both are near 255 x 127 (ONNX Runtime, "Quantize ONNX Models", "When and why do I need to use reduce_range?").
 */
export async function addsProductsExactly(runtime: OnnxRuntime): Promise<boolean> {
  const session = await runtime.InferenceSession.create(Buffer.from(model, "base64"), {
    executionProviders: ["cpu"],
    intraOpNumThreads: 1,
    logSeverityLevel: 3,
  });
  try {
    for (const rows of rowCounts) {
      const a = new runtime.Tensor("uint8", new Uint8Array(rows * length).fill(255), [rows, length]);
      const { y } = await session.run({ a });
      if (!(y?.data instanceof Int32Array) || y.data.some((sum) => sum !== length * 255 * 127)) return false;
    }
    return true;
  } finally {
    await session.release();
  }
}

/**
 * A package with weights of eight bits may have come from another machine.
 * @throws ModelPackageError where this processor would compute something else with them.
 */
export async function checkIntegerProducts(
  { name, source }: Pick<ModelManifest, "name" | "source">,
  runtime: OnnxRuntime,
): Promise<void> {
  if (source?.variant !== "int8" || (await addsProductsExactly(runtime))) return;
  throw new ModelPackageError(
    `${name}: expected weights of 7 bits for this processor, which adds products of 8-bit numbers in 16 bits, found weights of 8 bits. Run "model add" with ${source.file} on this machine, or set selfracg.model to another model.`,
  );
}
