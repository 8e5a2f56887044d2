// Tells whether a converted model is what this version of the extension would make.
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { ModelManifest } from "../inference/package/model-manifest";
import { readCatalogue } from "./catalogue";
import { loadRecipe, type Recipe } from "./recipe";

/**
 * Whether graph, adapters, tokenizer, card, prompt and retrieval of a package are the recipe's, and its weights those that the
 * recipe makes of the catalogue's file. Which weights it makes of another file is not known.
 */
export function isCurrent(converted: ModelManifest, { manifest, files: weights }: Recipe): boolean {
  const { files, source, prompt, retrieval } = converted;
  if (!isDeepStrictEqual({ prompt, retrieval }, { prompt: manifest.prompt, retrieval: manifest.retrieval }))
    return false;
  const expected = Object.entries(manifest.files);
  if (source?.catalogued === true)
    for (const [file, { pinned }] of Object.entries(weights)) expected.push([file, pinned[source.variant]]);
  return expected.every(([file, { sha256 }]) => files[file]?.sha256 === sha256);
}

/**
 * A sentence that says what to do about a package that another version made; undefined when it is current, or was not made here.
 * @param packaged the extension's folder `models`
 */
export async function outdatedNote(converted: ModelManifest, packaged: string): Promise<string | undefined> {
  const { name, source } = converted;
  const known = source && readCatalogue(packaged).get(source.model);
  if (source === undefined || known?.source === undefined) return undefined;
  const { recipe } = await loadRecipe(join(packaged, known.package));
  return isCurrent(converted, recipe)
    ? undefined
    : `The model ${name} was made by another version: "model add ${source.file}" on the command line converts it again.`;
}
