// Where the packaged files and the index lie.
import { homedir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { defaultStoragePath, packagedLocations } from "../../../sidecar/server/locations";

it("finds the model and the grammars beside the bundle", () => {
  expect(packagedLocations(join("/opt", "ext", "dist"))).toEqual({
    modelPath: join("/opt", "ext", "models", "default"),
    grammarPath: join("/opt", "ext", "dist", "grammars"),
  });
});

it.runIf(process.platform === "linux")("keeps the index in the user's cache folder", () => {
  expect(defaultStoragePath({ XDG_CACHE_HOME: "/cache" })).toBe("/cache/selfracg");
  expect(defaultStoragePath({ XDG_CACHE_HOME: "" })).toBe(join(homedir(), ".cache", "selfracg"));
});
