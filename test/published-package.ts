// A published model, converted by the product, in the tests' cache folder. It is converted again when its recipe changes.
import { join } from "node:path";
import { addsProductsExactly } from "../sidecar/inference/integer-products";
import { loadOnnxRuntime } from "../sidecar/inference/onnx-runtime";
import { addModel } from "../sidecar/models/add-model";
import { modelFileCache } from "./bench/model-files";
import { publishedFile } from "./published-file";

export type PublishedPackage = { readonly name: string; readonly folder: string } | { readonly unreachable: string };

/** The package of a catalogue model, or why its file is missing and cannot be downloaded. */
export async function publishedPackage(name: string): Promise<PublishedPackage> {
  const published = await publishedFile(name);
  if ("unreachable" in published) return published;
  const { folder } = await addModel({
    file: published.path,
    folders: { packaged: join(import.meta.dirname, "..", "models"), installed: join(modelFileCache, "models") },
    exactProducts: await addsProductsExactly(await loadOnnxRuntime()),
  });
  return { name, folder };
}
