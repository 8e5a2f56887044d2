// Tells whether a converted model is what this version of the extension would make.
import { join } from "node:path";
import type { ModelManifest } from "../inference/package/model-manifest";
import { readCatalogue } from "./catalogue";
import { loadRecipe, type Recipe } from "./recipe";

/** Whether graph, adapters, tokenizer and card of a package are the recipe's. */
export function isCurrent({ files }: Pick<ModelManifest, "files">, { manifest }: Recipe): boolean {
  return Object.entries(manifest.files).every(([file, { sha256 }]) => files[file]?.sha256 === sha256);
}

/**
 * A sentence that says what to do about a package that another version made; undefined when it is current, or was not made here.
 * @param packaged the extension's folder `models`
 */
export async function outdatedNote(
  { name, files, source }: Pick<ModelManifest, "name" | "files" | "source">,
  packaged: string,
): Promise<string | undefined> {
  const known = source && readCatalogue(packaged).get(source.model);
  if (source === undefined || known?.source === undefined) return undefined;
  const { recipe } = await loadRecipe(join(packaged, known.package));
  return isCurrent({ files }, recipe)
    ? undefined
    : `The model ${name} was made by another version: "model add ${source.file}" on the command line converts it again.`;
}
