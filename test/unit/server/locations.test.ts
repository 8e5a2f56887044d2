// Where the packaged files and the index lie.
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { expect, it } from "vitest";
import { defaultModelsPath, defaultStoragePath, packagedLocations } from "../../../sidecar/server/locations";

it("finds the model and the grammars beside the bundle", () => {
  expect(packagedLocations(join("/opt", "ext", "dist"))).toEqual({
    modelPath: join("/opt", "ext", "models", "default"),
    grammarPath: join("/opt", "ext", "dist", "grammars"),
    modelFolders: { packaged: join("/opt", "ext", "models"), installed: defaultModelsPath() },
  });
});

it("keeps models in the folder that the environment names", () => {
  expect(defaultModelsPath({ SELFRACG_MODELS: join("/big", "disk") })).toBe(resolve("/big", "disk"));
});

it.runIf(process.platform === "linux")("keeps models in the user's data folder", () => {
  expect(defaultModelsPath({ XDG_DATA_HOME: "/data" })).toBe("/data/selfracg/models");
  expect(defaultModelsPath({ XDG_DATA_HOME: "", SELFRACG_MODELS: "" })).toBe(
    join(homedir(), ".local", "share", "selfracg", "models"),
  );
});

it.runIf(process.platform === "linux")("keeps the index in the user's cache folder", () => {
  expect(defaultStoragePath({ XDG_CACHE_HOME: "/cache" })).toBe("/cache/selfracg");
  expect(defaultStoragePath({ XDG_CACHE_HOME: "" })).toBe(join(homedir(), ".cache", "selfracg"));
});
