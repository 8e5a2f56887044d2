// The catalogue agrees with the packages, and damage to it is reported.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { hubAddress, readCatalogue, smallModel } from "../../../sidecar/models/catalogue";
import { loadRecipe } from "../../../sidecar/models/recipe";
import { type TinyCatalogue, tinyCatalogue } from "./tiny-model";

const packaged = resolve(import.meta.dirname, "../../../models");
const catalogue = readCatalogue(packaged);

describe("the catalogue", () => {
  it("has the shipped model, and published models with their files", () => {
    const [first] = catalogue.keys();
    expect(first).toBe(smallModel);
    expect(catalogue.get(smallModel)?.source).toBeUndefined();
    for (const [name, { source }] of catalogue) {
      if (name === smallModel) continue;
      expect(source?.file, name).toMatch(/\.gguf$/);
      expect(source?.revision, name).toMatch(/^[0-9a-f]{40}$/);
    }
  });

  it("names no host: the hub is the publisher's, at the pinned revision, unless the user names a mirror", () => {
    expect(readFileSync(join(packaged, "catalogue.json"), "utf8")).not.toMatch(/:\/\//);
    const source = catalogue.get("qwen2.5-coder-0.5b")?.source;
    if (source === undefined) throw new Error("Expected a source.");
    expect(hubAddress(source, {})).toBe(
      "https://huggingface.co/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/resolve/ebb2015119c907b064c512bf053e945850b5875f/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    );
    expect(hubAddress(source, { HF_ENDPOINT: "http://127.0.0.1:9/" })).toMatch(/^http:\/\/127\.0\.0\.1:9\/Qwen\//);
  });

  it("tells whether a model's need is trained, as its card does", () => {
    for (const { package: name, trainedNeed } of catalogue.values())
      expect(/^\| retrieval \|.*\buntrained\b/m.test(readFileSync(join(packaged, name, "MODEL_CARD.md"), "utf8"))).toBe(
        !trainedNeed,
      );
  });

  it("has the licence, parameters and size of the packages", async () => {
    for (const [name, model] of catalogue) {
      const folder = join(packaged, model.package);
      expect(existsSync(join(folder, "MODEL_CARD.md")), name).toBe(true);
      if (model.source === undefined) {
        const manifest = JSON.parse(readFileSync(join(folder, "model.json"), "utf8"));
        expect(model, name).toMatchObject({ licence: manifest.licence, parameters: manifest.architecture.parameters });
        const size = readdirSync(folder).reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
        expect(Math.abs(model.bytes / size - 1), name).toBeLessThan(0.02);
        continue;
      }
      const { manifest, files } = (await loadRecipe(folder)).recipe;
      expect(manifest.name).toBe(name);
      const written = Object.values(files).map(({ pinned }) => pinned.int8.bytes);
      const copied = Object.values(manifest.files).map(({ bytes }) => bytes);
      const size = [...written, ...copied].reduce((sum, bytes) => sum + bytes, 0);
      expect(Math.abs(model.bytes / size - 1), name).toBeLessThan(0.02);
    }
  });
});

describe("a damaged file is refused with the place of the damage:", () => {
  let tiny: TinyCatalogue;
  beforeEach(async () => {
    tiny = await tinyCatalogue();
  });
  afterEach(() => tiny.remove());

  it("the catalogue", async () => {
    await writeFile(
      join(tiny.folders.packaged, "catalogue.json"),
      JSON.stringify({ formatVersion: 1, models: { a: {} } }),
    );
    expect(() => readCatalogue(tiny.folders.packaged)).toThrow(
      /catalogue\.json: models\.a\.title: .*Install the extension again/,
    );
  });

  it.each([
    ["an unknown store", (recipe: any) => (recipe.files["weights.bin"].entries[0].store = "int3"), /entries\.0/],
    ["a file with a path", (recipe: any) => (recipe.files = { "../x": recipe.files["weights.bin"] }), /recipe\.json: /],
    [
      "places out of order",
      (recipe: any) => recipe.files["weights.bin"].entries.reverse(),
      /offsets in ascending order/,
    ],
    [
      "another size",
      (recipe: any) => (recipe.files["weights.bin"].pinned.int7.bytes += 1),
      /expected \d+ bytes, found/,
    ],
    [
      "factors beyond the end",
      (recipe: any) => (recipe.files["weights.bin"].entries[0].columnFactors.offset = 9e6),
      /expected factors below 512/,
    ],
    ["other factors", (recipe: any) => (recipe.factors.bytes += 4), /factors\.bin: expected 2052 bytes, found 2048/],
    ["a negative offset", (recipe: any) => (recipe.files["weights.bin"].entries[0].values.offset = -64), /entries\.0/],
  ])("a recipe with %s", async (_, change, message) => {
    const folder = join(tiny.folders.packaged, "tiny");
    const path = join(folder, "recipe.json");
    const recipe = JSON.parse(readFileSync(path, "utf8"));
    change(recipe);
    await writeFile(path, JSON.stringify(recipe));
    await expect(loadRecipe(folder)).rejects.toThrow(message);
  });
});
