// Finds the model of the catalogue that a GGUF file can be converted for, by its shape and its tokens.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { vocabulary } from "../inference/vocabulary";
import type { Catalogue } from "./catalogue";
import { GgufError, type GgufFile } from "./gguf-file";
import { type LoadedRecipe, loadRecipe, type Recipe, shapeKeys } from "./recipe";

/** The model of the catalogue that a file can be converted for. */
export interface Fitting extends LoadedRecipe {
  /** Its name in the catalogue. */
  readonly model: string;
  /** Folder of its graph, recipe and tokenizer. */
  readonly folder: string;
}

/**
 * @param packaged the extension's folder `models`
 * @throws GgufError when no model of the catalogue has the file's shape and tokens
 */
export async function fittingRecipe(gguf: GgufFile, catalogue: Catalogue, packaged: string): Promise<Fitting> {
  const expected: string[] = [];
  for (const [model, { source, package: name }] of catalogue) {
    if (source === undefined) continue;
    const folder = join(packaged, name);
    const loaded = await loadRecipe(folder);
    const wanted = loaded.recipe.source;
    if (describe(shapeOf(gguf, wanted)) === describe(wanted)) {
      await checkTokens(gguf, folder, model);
      return { ...loaded, model, folder };
    }
    expected.push(`${model}: ${describe(wanted)}`);
  }
  const architecture = gguf.text("general.architecture") ?? "none";
  const found = describe(shapeOf(gguf, { architecture, shape: {} }));
  throw new GgufError(
    `${gguf.path}: expected a model of a shape in the catalogue (${expected.join("; ")}), found ${found}. Choose a file of one of these models, of any quantisation, or a fine-tune of one.`,
  );
}

interface Shaped {
  readonly architecture: string;
  readonly shape: Partial<Recipe["source"]["shape"]>;
}

function shapeOf(gguf: GgufFile, { architecture }: Shaped): Shaped {
  const shape: Record<string, number> = {};
  for (const [name, key] of Object.entries(shapeKeys)) {
    const value = gguf.number(`${architecture}.${key}`);
    if (value !== undefined) shape[name] = value;
  }
  const embedding = gguf.tensors.get("token_embd.weight");
  if (embedding !== undefined) shape.vocabularySize = embedding.rows;
  return { architecture: gguf.text("general.architecture") ?? "none", shape };
}

/** The shape in words, also to compare shapes: numbers are rounded to float32, as GGUF stores those that are not whole. */
function describe({ architecture, shape }: Shaped): string {
  const words: Record<keyof Recipe["source"]["shape"], string> = {
    blockCount: "layers",
    embeddingLength: "numbers a token",
    feedForwardLength: "in the feed-forward layer",
    headCount: "heads",
    headCountKv: "key-value heads",
    vocabularySize: "rows of the vocabulary",
    ropeFreqBase: "as the base of positions",
    layerNormRmsEpsilon: "as the norms' epsilon",
  };
  const parts = Object.entries(words).map(([name, meaning]) => {
    const value = Object.entries(shape).find(([key]) => key === name)?.[1];
    return `${value === undefined ? "unknown" : Number(Math.fround(value).toPrecision(7))} ${meaning}`;
  });
  return `architecture ${architecture}, ${parts.join(", ")}`;
}

const tokenizerSchema = v.looseObject({
  added_tokens: v.array(v.looseObject({ id: v.number(), content: v.string() })),
  model: v.looseObject({ vocab: vocabulary }),
});

/** A fine-tune may have other tokens, which the package's tokenizer would read wrongly. */
async function checkTokens(gguf: GgufFile, folder: string, model: string): Promise<void> {
  const found = gguf.texts("tokenizer.ggml.tokens");
  if (found === undefined)
    throw new GgufError(`${gguf.path}: expected the tokens of ${model}, found none. Choose a file with its tokenizer.`);
  const tokenizer = v.parse(tokenizerSchema, JSON.parse(await readFile(join(folder, "tokenizer.json"), "utf8")));
  const wanted = new Map(Object.entries(tokenizer.model.vocab));
  for (const { id, content } of tokenizer.added_tokens) wanted.set(content, id);
  for (const [token, id] of wanted) {
    if (found[id] !== token)
      throw new GgufError(
        `${gguf.path}: expected the tokens of ${model}, found ${JSON.stringify(found[id]?.slice(0, 40))} where token ${id} is ${JSON.stringify(token)}. Choose a file with the tokenizer as it was published.`,
      );
  }
}
