// Where things lie on this machine: the packaged model, the grammars, the index in the user's cache folder.
import { homedir } from "node:os";
import { join, resolve } from "node:path";

export interface Locations {
  /** Folder of the model package that ships. */
  readonly modelPath: string;
  /** Folder of the tree-sitter grammars and their runtime. */
  readonly grammarPath: string;
}

/** @param bundleFolder the folder the running bundle lies in (`dist`). */
export function packagedLocations(bundleFolder: string): Locations {
  return { modelPath: resolve(bundleFolder, "..", "models", "default"), grammarPath: join(bundleFolder, "grammars") };
}

/**
 * Default folder of the index, in the user's cache folder: one for all workspaces, so that its bound holds for them
 * together and equal code is embedded once.
 */
export function defaultStoragePath(environment: NodeJS.ProcessEnv = process.env): string {
  return join(cacheFolder(environment), "selfracg");
}

function cacheFolder(environment: NodeJS.ProcessEnv): string {
  if (process.platform === "win32") return environment.LOCALAPPDATA ?? join(homedir(), "AppData", "Local");
  if (process.platform === "darwin") return join(homedir(), "Library", "Caches");
  const xdg = environment.XDG_CACHE_HOME;
  return xdg !== undefined && xdg !== "" ? xdg : join(homedir(), ".cache");
}
