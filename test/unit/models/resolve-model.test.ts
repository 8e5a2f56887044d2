// Which package a model's name or folder means, and what is reported when there is none.
import { cp, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { addModel } from "../../../sidecar/models/add-model";
import { chooseModel, chosenModel, deleteModel, installedModels } from "../../../sidecar/models/model-folders";
import { ModelNotFound, resolveModel, resolveModelOrSmall } from "../../../sidecar/models/resolve-model";
import { type TinyCatalogue, tinyCatalogue, tinyGguf } from "./tiny-model";

let tiny: TinyCatalogue;
beforeEach(async () => {
  tiny = await tinyCatalogue();
});
afterEach(() => tiny.remove());

const small = () => ({ name: "small", folder: join(tiny.folders.packaged, "default") });
const add = () => addModel({ file: tinyGguf, folders: tiny.folders, exactProducts: true });

describe("a model's name", () => {
  it("means the shipped package, or one that was converted here", async () => {
    expect(resolveModel("small", tiny.folders)).toEqual(small());
    const { folder } = await add();
    expect(resolveModel("tiny", tiny.folders)).toEqual({ name: "tiny", folder });
  });

  it("of the catalogue that is not installed gives the way to get it, and the small model", () => {
    expect(() => resolveModel("tiny", tiny.folders)).toThrow(ModelNotFound);
    const { problem, ...resolved } = resolveModelOrSmall("tiny", tiny.folders);
    expect(resolved).toEqual(small());
    expect(problem).toBe(
      'Expected the model tiny on this machine, found none: run "model get tiny" on the command line, which downloads tiny.gguf of nobody/tiny. Until then the small model answers.',
    );
  });

  it("that is unknown gives the known names", () => {
    for (const name of ["tinny", "../tiny", "no/such/folder"])
      expect(() => resolveModel(name, tiny.folders)).toThrow(
        /a model's name \(small, tiny\) or the folder of a model package/,
      );
  });

  it("of a folder among the models without a package means that folder", async () => {
    await mkdir(join(tiny.folders.installed, "half"), { recursive: true });
    expect(resolveModel("half", tiny.folders).folder).toBe(join(tiny.folders.installed, "half"));
    const [found] = await installedModels(tiny.folders);
    expect(found).toMatchObject({ name: "half", manifest: undefined });
    expect(found?.problem).toMatch(/model\.json: expected the model.json of a model package, found none/);
  });
});

describe("a folder", () => {
  it("is used as given: an absolute path always, a relative one when it holds a package", async () => {
    const folder = join(tiny.root, "mine");
    expect(resolveModel(folder, tiny.folders)).toEqual({ name: undefined, folder });
    const here = process.cwd();
    await cp(small().folder, folder, { recursive: true });
    process.chdir(tiny.root);
    try {
      expect(resolveModel("mine", tiny.folders).name).toBeUndefined();
      expect(resolveModel(join(".", "mine"), tiny.folders).name).toBeUndefined();
    } finally {
      process.chdir(here);
    }
  });
});

describe("the model that is used when no setting names one", () => {
  it("is the small one until another is chosen, and is read each time", async () => {
    expect(resolveModel("", tiny.folders)).toEqual(small());
    await add();
    await chooseModel(tiny.folders, "tiny");
    expect(resolveModel("", tiny.folders).name).toBe("tiny");
    await chooseModel(tiny.folders, "small");
    expect(resolveModel("", tiny.folders)).toEqual(small());
    expect(await readdir(tiny.folders.installed)).toEqual(["tiny"]);
  });

  it("is the small one, with a reason, when the chosen one was deleted", async () => {
    await add();
    await chooseModel(tiny.folders, "tiny");
    await deleteModel(tiny.folders, "tiny");
    expect(resolveModelOrSmall("", tiny.folders)).toMatchObject({ ...small(), problem: expect.stringMatching(/tiny/) });
    expect(await readdir(tiny.folders.installed)).toEqual(["chosen.json"]);
  });

  it("is the small one when the choice cannot be read", async () => {
    await mkdir(tiny.folders.installed, { recursive: true });
    for (const content of ["", "{}", '{"model":"../../etc"}', '{"model":5}']) {
      await writeFile(join(tiny.folders.installed, "chosen.json"), content);
      expect(chosenModel(tiny.folders)).toBe("small");
    }
    await rm(tiny.folders.installed, { recursive: true });
    expect(chosenModel(tiny.folders)).toBe("small");
  });
});
