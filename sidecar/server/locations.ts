// Where things lie on this machine: the packaged model, the grammars, the index in the user's cache folder.
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import type { ModelFolders } from "../models/model-folders";

export interface Locations {
  /** Folder of the model package that ships. */
  readonly modelPath: string;
  /** Folder of the tree-sitter grammars and their runtime. */
  readonly grammarPath: string;
  readonly modelFolders: ModelFolders;
}

/** @param bundleFolder the folder the running bundle lies in (`dist`). */
export function packagedLocations(bundleFolder: string): Locations {
  const packaged = resolve(bundleFolder, "..", "models");
  return {
    modelPath: join(packaged, "default"),
    grammarPath: join(bundleFolder, "grammars"),
    modelFolders: { packaged, installed: defaultModelsPath() },
  };
}

/**
 * Folder of the models that were made on this machine, one for all windows and workspaces: SELFRACG_MODELS, else in the user's data
 * folder.
 */
export function defaultModelsPath(environment: NodeJS.ProcessEnv = process.env): string {
  const named = environment.SELFRACG_MODELS;
  return named !== undefined && named !== "" ? resolve(named) : join(dataFolder(environment), "selfracg", "models");
}

/**
 * Default folder of the index, in the user's cache folder: one for all workspaces, so that its bound holds for them
 * together and equal code is embedded once.
 */
export function defaultStoragePath(environment: NodeJS.ProcessEnv = process.env): string {
  return join(cacheFolder(environment), "selfracg");
}

function dataFolder(environment: NodeJS.ProcessEnv): string {
  if (process.platform === "win32") return environment.LOCALAPPDATA ?? join(homedir(), "AppData", "Local");
  if (process.platform === "darwin") return join(homedir(), "Library", "Application Support");
  const xdg = environment.XDG_DATA_HOME;
  return xdg !== undefined && xdg !== "" ? xdg : join(homedir(), ".local", "share");
}

function cacheFolder(environment: NodeJS.ProcessEnv): string {
  if (process.platform === "win32") return environment.LOCALAPPDATA ?? join(homedir(), "AppData", "Local");
  if (process.platform === "darwin") return join(homedir(), "Library", "Caches");
  const xdg = environment.XDG_CACHE_HOME;
  return xdg !== undefined && xdg !== "" ? xdg : join(homedir(), ".cache");
}
