// The folders of packaged files, models and the index.
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { expect, it } from "vitest";
import { defaultModelsPath, defaultStoragePath, packagedLocations, withHome } from "../../../sidecar/host/locations";

it("finds the model and the grammars beside the bundle", () => {
  expect(packagedLocations(join("/opt", "ext", "dist"))).toEqual({
    modelPath: join("/opt", "ext", "models", "default"),
    grammarPath: join("/opt", "ext", "dist", "grammars"),
    modelFolders: { packaged: join("/opt", "ext", "models"), installed: defaultModelsPath() },
  });
});

it("has models in the folder that the environment names", () => {
  expect(defaultModelsPath({ SELFRACG_MODELS: join("/big", "disk") })).toBe(resolve("/big", "disk"));
});

it.runIf(process.platform === "linux")("has models in the user's data folder", () => {
  expect(defaultModelsPath({ XDG_DATA_HOME: "/data" })).toBe("/data/selfracg/models");
  for (const none of ["", "data", "~/data"])
    expect(defaultModelsPath({ XDG_DATA_HOME: none, SELFRACG_MODELS: "" })).toBe(
      join(homedir(), ".local", "share", "selfracg", "models"),
    );
});

it.runIf(process.platform === "linux")("has the index in the user's cache folder", () => {
  expect(defaultStoragePath({ XDG_CACHE_HOME: "/cache" })).toBe("/cache/selfracg");
  for (const none of ["", "cache", "./cache", "~/cache"])
    expect(defaultStoragePath({ XDG_CACHE_HOME: none })).toBe(join(homedir(), ".cache", "selfracg"));
});

it("replaces a tilde at the beginning by the home folder", () => {
  expect(withHome("~")).toBe(join(homedir(), ""));
  expect(withHome("~/a/b")).toBe(join(homedir(), "a", "b"));
  for (const path of ["", "/a/~", "a/~/b", "~user/a", "~a", "./~", "~~"]) expect(withHome(path)).toBe(path);
});
