// Finds the GGUF file of a model package for the comparison.
import { appendFile, copyFile, cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addModel } from "../../../sidecar/models/add-model";
import { ggufOf, isWhole } from "../../bench/model-files";
import { modelPath } from "../../model";
import { type TinyCatalogue, tinyCatalogue, tinyGguf } from "../models/tiny-model";

let tiny: TinyCatalogue;
let converted: string;
let folder: string;
beforeAll(async () => {
  tiny = await tinyCatalogue();
  folder = await mkdtemp(join(tmpdir(), "selfracg-gguf-"));
  ({ folder: converted } = await addModel({ file: tinyGguf, folders: tiny.folders, exactProducts: true }));
});
afterAll(async () => {
  await tiny.remove();
  await rm(folder, { recursive: true, force: true });
});

describe("the GGUF file of a converted package", () => {
  it("is the given file, whatever its name", async () => {
    const path = join(folder, "renamed.gguf");
    await copyFile(tinyGguf, path);
    expect(await ggufOf(converted, path)).toEqual({ path });
  });

  it("is refused when the given file is another one", async () => {
    const path = join(folder, "other.gguf");
    await copyFile(tinyGguf, path);
    await appendFile(path, "x");
    await expect(ggufOf(converted, path)).rejects.toThrow(/--gguf: expected tiny\.gguf with SHA-256 .*, found another/);
    await expect(ggufOf(converted, join(folder, "none.gguf"))).rejects.toThrow(/found another file, or none, at/);
  });

  it("is requested as an option when it is not among the fetched files", async () => {
    expect(await ggufOf(converted, undefined)).toEqual({ missing: "give tiny.gguf as --gguf" });
  });
});

it("a package not made of a GGUF file uses the given file, or the one beside its folder", async () => {
  const other = join(folder, "package");
  await cp(modelPath, other, { recursive: true });
  expect(await ggufOf(other, undefined)).toEqual({ missing: expect.stringContaining("--gguf") });
  await copyFile(tinyGguf, `${other}.gguf`);
  expect(await ggufOf(other, undefined)).toEqual({ path: `${other}.gguf` });
  expect(await ggufOf(other, tinyGguf)).toEqual({ path: tinyGguf });
});

it("a file is complete only with its size and hash", async () => {
  const sha256 = "0".repeat(64);
  expect(await isWhole(join(folder, "none"), { bytes: 0, sha256 })).toBe(false);
  expect(await isWhole(tinyGguf, { bytes: 177344, sha256 })).toBe(false);
});
