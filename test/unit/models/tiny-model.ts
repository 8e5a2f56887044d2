// A catalogue with one tiny model, in a folder of its own, and the folder that converted models go to.
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { ModelFolders } from "../../../sidecar/host/locations";

const fixtures = resolve(import.meta.dirname, "../../fixtures");
/** The GGUF file that `test/fixtures/gguf/tiny.py` writes, with a recipe and what comes of it. */
export const tinyFixture = join(fixtures, "gguf", "tiny");
export const tinyGguf = join(tinyFixture, "tiny.gguf");

export interface TinyCatalogue {
  readonly root: string;
  readonly folders: ModelFolders;
  remove(): Promise<void>;
}

/** The catalogue has "small", a package that is whole, and "tiny", which {@link tinyGguf} is the file of. */
export async function tinyCatalogue(): Promise<TinyCatalogue> {
  const root = await mkdtemp(join(tmpdir(), "selfracg-models-"));
  const packaged = join(root, "packaged");
  const template = join(fixtures, "tiny-llama-package");
  await cp(template, join(packaged, "default"), { recursive: true });
  await cp(template, join(packaged, "tiny"), { recursive: true });
  await rm(join(packaged, "tiny", "model.json"));
  for (const name of ["recipe.json", "factors.bin"]) await cp(join(tinyFixture, name), join(packaged, "tiny", name));
  const source = JSON.parse(await readFile(join(tinyFixture, "source.json"), "utf8")) as object;
  const facts = {
    goodFor: "Tests.",
    licence: "Apache-2.0",
    parameters: 1,
    bytes: 1,
    memoryMegabytes: 1,
    processors: 1,
    trainedNeed: true,
  };
  const catalogue = {
    formatVersion: 1,
    models: {
      small: { title: "Small", package: "default", ...facts },
      tiny: {
        title: "Tiny",
        package: "tiny",
        ...facts,
        source: { file: "tiny.gguf", repository: "nobody/tiny", revision: "1", ...source },
      },
    },
  };
  await writeFile(join(packaged, "catalogue.json"), JSON.stringify(catalogue));
  return {
    root,
    folders: { packaged, installed: join(root, "installed") },
    remove: () => rm(root, { recursive: true, force: true }),
  };
}
