// Where things lie on this machine: the packaged model, the grammars, the index in the user's cache folder.
import { createHash } from "node:crypto";
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

/** Default folder for the index of these workspace folders: one for each set of folders, so that windows do not share one. */
export function defaultStoragePath(folderUris: readonly string[], environment: NodeJS.ProcessEnv = process.env): string {
  const key = createHash("sha256").update([...folderUris].sort().join("\n")).digest("hex").slice(0, 16);
  return join(cacheFolder(environment), "selfracg", key);
}

function cacheFolder(environment: NodeJS.ProcessEnv): string {
  if (process.platform === "win32") return environment["LOCALAPPDATA"] ?? join(homedir(), "AppData", "Local");
  if (process.platform === "darwin") return join(homedir(), "Library", "Caches");
  const xdg = environment["XDG_CACHE_HOME"];
  return xdg !== undefined && xdg !== "" ? xdg : join(homedir(), ".cache");
}
