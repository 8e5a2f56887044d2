// Tests whether ONNX Runtime sums products of 8-bit numbers exactly on this processor.

import type { OnnxRuntime } from "./onnx-runtime";
import type { ModelManifest } from "./package/model-manifest";
import { ModelPackageError } from "./package/model-package-error";

/**
 * A serialised ONNX model (opset 21) of two nodes: `b = ConstantOfShape([64, 64])` of int8 127, which the runtime folds into a
 * weight, and `y = MatMulInteger(a, b)` for uint8 `a` [m, 64].
 */
const model =
  "CAoSADqVAQovCgFzEgFiIg9Db25zdGFudE9mU2hhcGUqFgoFdmFsdWUqCggBEAMqAX9CAXagAQQKGAoBYQoBYhIBeSINTWF0TXVsSW50ZWdlchIBZyoZCAIQB0IBc0oQQAAAAAAAAABAAAAAAAAAAFoUCgFhEg8KDQgCEgkKAxIBbQoCCEBiFAoBeRIPCg0IBhIJCgMSAW0KAghAQgQKABAV";
const length = 64;
/** ONNX Runtime has different code for one row and for several. */
const rowCounts = [1, 2, 16];

/**
 * Processors without instructions for such sums (x86 without VNNI) add two products at a time in 16 bits, which overflows when
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
 * Checks a package with 8-bit weights, which may have been copied from another machine.
 * @throws ModelPackageError when this processor does not sum the products of 8-bit weights exactly.
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
