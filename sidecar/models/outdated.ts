// Tells whether a converted model is what this version of the extension would make.
import { join } from "node:path";
import type { ModelManifest } from "../inference/package/model-manifest";
import { readCatalogue } from "./catalogue";
import { loadRecipe, type Recipe } from "./recipe";

type Converted = Pick<ModelManifest, "files" | "source">;

/**
 * Whether graph, adapters, tokenizer and card of a package are the recipe's, and its weights those that the recipe makes of the
 * catalogue's file. Which weights it makes of another file is not known.
 */
export function isCurrent({ files, source }: Converted, { manifest, files: weights }: Recipe): boolean {
  const expected = Object.entries(manifest.files);
  if (source?.catalogued === true)
    for (const [file, { pinned }] of Object.entries(weights)) expected.push([file, pinned[source.variant]]);
  return expected.every(([file, { sha256 }]) => files[file]?.sha256 === sha256);
}

/**
 * A sentence that says what to do about a package that another version made; undefined when it is current, or was not made here.
 * @param packaged the extension's folder `models`
 */
export async function outdatedNote(
  { name, files, source }: Converted & Pick<ModelManifest, "name">,
  packaged: string,
): Promise<string | undefined> {
  const known = source && readCatalogue(packaged).get(source.model);
  if (source === undefined || known?.source === undefined) return undefined;
  const { recipe } = await loadRecipe(join(packaged, known.package));
  return isCurrent({ files, source }, recipe)
    ? undefined
    : `The model ${name} was made by another version: "model add ${source.file}" on the command line converts it again.`;
}
