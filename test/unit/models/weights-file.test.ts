// Files of weights have the same bytes, however few rows are in memory at a time.
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { digestOf } from "../../../sidecar/host/file-hashes";
import { GgufFile } from "../../../sidecar/models/gguf-file";
import { loadRecipe } from "../../../sidecar/models/recipe";
import { findParts, numbersOf, type SliceLimits, writeWeights } from "../../../sidecar/models/weights-file";
import { type TinyCatalogue, tinyCatalogue, tinyGguf } from "./tiny-model";

let tiny: TinyCatalogue;
beforeEach(async () => {
  tiny = await tinyCatalogue();
});
afterEach(() => tiny.remove());

describe("a file of weights", () => {
  it.each<[string, SliceLimits]>([
    ["a row", { numbers: 1, turnedBytes: 1 }],
    ["three rows, turned two at a time", { numbers: 3 * 256, turnedBytes: 2 * 256 }],
    ["two rows, turned five at a time", { numbers: 2 * 256, turnedBytes: 5 * 256 }],
    ["all rows", { numbers: 2 ** 20, turnedBytes: 2 ** 25 }],
  ])("has the bytes that Python writes, with %s in memory", async (_, limits) => {
    const { recipe, factors } = await loadRecipe(join(tiny.folders.packaged, "tiny"));
    const file = recipe.files["weights.bin"];
    if (file === undefined) throw new Error("Expected weights.bin in the recipe.");
    const gguf = await GgufFile.open(tinyGguf);
    const parts = await findParts(gguf, file);
    const path = join(tiny.root, "weights.bin");
    const seen: number[] = [];
    await writeWeights(path, parts, {
      gguf,
      factors,
      maxCode: recipe.variants.int8.codes,
      signal: undefined,
      onProgress: (numbers) => seen.push(numbers),
      limits,
    });
    await gguf.close();
    expect(await digestOf(path)).toEqual(file.pinned.int8);
    expect(seen.at(-1)).toBe(numbersOf(parts));
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
  });
});
