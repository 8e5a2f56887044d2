// A converted model is outdated when this version of the extension would make other files.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { readManifest } from "../../../sidecar/inference/package/model-manifest";
import { addModel } from "../../../sidecar/models/add-model";
import { outdatedNote } from "../../../sidecar/models/outdated";
import type { Recipe } from "../../../sidecar/models/recipe";
import { type TinyCatalogue, tinyCatalogue, tinyGguf } from "./tiny-model";

type Changeable<T> = { -readonly [Name in keyof T]: Changeable<T[Name]> };

let tiny: TinyCatalogue;

beforeEach(async () => {
  tiny = await tinyCatalogue();
});
afterEach(() => tiny.remove());

/** The note about a model that was added before this change of its recipe. @param file the catalogue's, or another one */
async function noteAfter(change: (recipe: Changeable<Recipe>) => void, file = tinyGguf): Promise<string | undefined> {
  const { folder } = await addModel({ file, folders: tiny.folders, exactProducts: true });
  const path = join(tiny.folders.packaged, "tiny", "recipe.json");
  const recipe: Changeable<Recipe> = JSON.parse(await readFile(path, "utf8"));
  change(recipe);
  await writeFile(path, JSON.stringify(recipe));
  return outdatedNote(await readManifest(folder), tiny.folders.packaged);
}

const changed = "0".repeat(64);
const outdated = /The model tiny was made by another version: "model add tiny\.gguf"/;

it("a model is current while its recipe is the same", async () => {
  expect(await noteAfter(() => {})).toBeUndefined();
});

it("a model is outdated when the recipe has another tokenizer", async () => {
  expect(
    await noteAfter(({ manifest }) => {
      const tokenizer = manifest.files["tokenizer.json"];
      if (tokenizer !== undefined) tokenizer.sha256 = changed;
    }),
  ).toMatch(outdated);
});

it("a model is outdated when the recipe has another prompt", async () => {
  expect(
    await noteAfter(({ manifest }) => {
      manifest.prompt = { ...Object(manifest.prompt), maxPathTokens: 7 };
    }),
  ).toMatch(outdated);
});

it("a model is outdated when the recipe makes other weights of the catalogue's file", async () => {
  const pin = (variant: "int8" | "int7") => (recipe: Changeable<Recipe>) => {
    for (const { pinned } of Object.values(recipe.files)) pinned[variant].sha256 = changed;
  };
  expect(await noteAfter(pin("int7"))).toBeUndefined();
  expect(await noteAfter(pin("int8"))).toMatch(outdated);
});

it("a model that is not the catalogue's is not compared with the pinned weights", async () => {
  const file = join(tiny.root, "mine.gguf");
  await writeFile(file, Buffer.concat([await readFile(tinyGguf), Buffer.of(1)]));
  expect(
    await noteAfter(({ files }) => {
      for (const { pinned } of Object.values(files)) pinned.int8.sha256 = changed;
    }, file),
  ).toBeUndefined();
});
