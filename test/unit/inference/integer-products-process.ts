// Prints whether sums of products of 8-bit numbers are exact; runs on an emulated processor.
import { addsProductsExactly } from "../../../sidecar/inference/integer-products";
import { loadOnnxRuntime } from "../../../sidecar/inference/onnx-runtime";

void loadOnnxRuntime()
  .then(addsProductsExactly)
  .then((exact) => process.stdout.write(`${exact}\n`));
