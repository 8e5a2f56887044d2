// A process of its own, for a processor that is emulated: prints whether sums of products of 8-bit numbers are exact.
import { addsProductsExactly } from "../../../sidecar/inference/integer-products";
import { loadOnnxRuntime } from "../../../sidecar/inference/onnx-runtime";

void loadOnnxRuntime()
  .then(addsProductsExactly)
  .then((exact) => process.stdout.write(`${exact}\n`));
