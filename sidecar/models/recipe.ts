// Reads recipe.json: how the weights of a graph are made from a GGUF file, and which files fit.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { parsePackaged, reinstall } from "./catalogue";

const whole = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const count = v.pipe(whole, v.minValue(1));
const text = v.pipe(v.string(), v.minLength(1));
const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const fileName = v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/));
const digest = v.strictObject({ bytes: whole, sha256 });

/** Bytes of a written file. */
const place = v.strictObject({ offset: whole, bytes: count });
/** Numbers of factors.bin. */
const factors = v.strictObject({ offset: whole, count });

const common = {
  /** Names in the GGUF file, joined by rows. A list of names in the place of one means the first of them that is in the file. */
  tensors: v.pipe(v.array(v.union([text, v.pipe(v.array(text), v.minLength(1))])), v.minLength(1)),
  /** Only these rows of the joined tensors: the first, and the one after the last. */
  rows: v.optional(v.strictTuple([whole, count])),
  /** Number j of each row is multiplied by factor j; of a vector, number j of the vector. */
  columnFactors: v.optional(factors),
  /** As it is, or transposed. */
  layout: v.picklist(["rows", "transposed"]),
};

const entrySchema = v.variant("store", [
  v.strictObject({ store: v.literal("float32"), ...common, values: place }),
  /** Each row as int8 codes with a scale (float32): the scale of row i is number i at `scales`. */
  v.strictObject({ store: v.literal("int8-rows"), ...common, codes: place, scales: place }),
]);

/** Metadata of the GGUF file, without the architecture's name as prefix. GGUF stores real numbers as float32. */
export const shapeKeys = {
  blockCount: "block_count",
  embeddingLength: "embedding_length",
  feedForwardLength: "feed_forward_length",
  headCount: "attention.head_count",
  headCountKv: "attention.head_count_kv",
  ropeFreqBase: "rope.freq_base",
  layerNormRmsEpsilon: "attention.layer_norm_rms_epsilon",
} as const;

const variantSchema = v.strictObject({ codes: v.pipe(count, v.maxValue(127)) });

const recipeSchema = v.strictObject({
  formatVersion: v.literal(1),
  source: v.strictObject({
    architecture: text,
    shape: v.strictObject({
      ...v.entriesFromList(["blockCount", "embeddingLength", "feedForwardLength", "headCount", "headCountKv"], count),
      ropeFreqBase: v.pipe(v.number(), v.gtValue(0)),
      layerNormRmsEpsilon: v.pipe(v.number(), v.gtValue(0)),
      /** Rows of the embedding: at least the number of tokens. */
      vocabularySize: count,
    }),
  }),
  /** The largest code of a weight, by the name of the variant. */
  variants: v.strictObject({ int8: variantSchema, int7: variantSchema }),
  /** Of factors.bin. */
  factors: digest,
  /** The files that are written, by name. */
  files: v.record(
    fileName,
    v.strictObject({
      /** Ordered by offset. */
      entries: v.pipe(v.array(entrySchema), v.minLength(1)),
      /** The result for the catalogue's source, for each variant. */
      pinned: v.strictObject({ int8: digest, int7: digest }),
    }),
  ),
  /** model.json of the complete package, without the files that are written. */
  manifest: v.looseObject({
    name: text,
    version: text,
    files: v.record(fileName, digest),
  }),
});

export type Recipe = v.InferOutput<typeof recipeSchema>;
export type RecipeEntry = v.InferOutput<typeof entrySchema>;
export type RecipeFile = Recipe["files"][string];
export type Digest = v.InferOutput<typeof digest>;

/**
 * Codes of at most 127 for processors that add products of 8-bit numbers exactly, and of at most 63 for those that add them in
 * 16 bits, which would overflow.
 */
export type Variant = keyof Recipe["variants"];

/** The files for the conversion in the folder of a model of the catalogue. */
export interface LoadedRecipe {
  readonly recipe: Recipe;
  /** Content of factors.bin. */
  readonly factors: Float32Array;
}

const recipeFile = "recipe.json";
const factorsFile = "factors.bin";

/**
 * Reads recipe.json and factors.bin of a folder.
 * @throws Error when one is missing, invalid, or contradicts the other: the extension is damaged then
 */
export async function loadRecipe(folder: string): Promise<LoadedRecipe> {
  const path = join(folder, recipeFile);
  const recipe = parsePackaged(path, await readFile(path, "utf8"), recipeSchema);
  const bytes = await readFile(join(folder, factorsFile));
  if (bytes.length !== recipe.factors.bytes || bytes.length % 4 !== 0)
    throw new Error(
      `${join(folder, factorsFile)}: expected ${recipe.factors.bytes} bytes, found ${bytes.length}. ${reinstall}`,
    );
  const factors = new Float32Array(bytes.length / 4);
  for (let i = 0; i < factors.length; i++) factors[i] = bytes.readFloatLE(4 * i);
  for (const [name, file] of Object.entries(recipe.files)) checkPlaces(path, name, file, factors.length);
  return { recipe, factors };
}

/** Checks that the entries of a file follow each other to the file's end, and that their factors exist. */
function checkPlaces(path: string, name: string, { entries, pinned }: RecipeFile, factorCount: number): void {
  let end = 0;
  for (const entry of entries) {
    for (const { offset, bytes } of placesOf(entry)) {
      if (offset < end)
        throw new Error(
          `${path}: ${name}: expected offsets in ascending order, found ${offset} after ${end}. ${reinstall}`,
        );
      end = offset + bytes;
    }
    const used = entry.columnFactors;
    if (used !== undefined && used.offset + used.count > factorCount)
      throw new Error(
        `${path}: ${name}: expected factors below ${factorCount}, found ${used.offset + used.count}. ${reinstall}`,
      );
  }
  for (const { bytes } of Object.values(pinned)) {
    if (bytes !== end) throw new Error(`${path}: ${name}: expected ${end} bytes, found ${bytes}. ${reinstall}`);
  }
}

/** In the file's order. */
export function placesOf(entry: RecipeEntry): { readonly offset: number; readonly bytes: number }[] {
  return entry.store === "float32" ? [entry.values] : [entry.codes, entry.scales];
}
