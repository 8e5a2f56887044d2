// Where things lie on this machine: the packaged model, the grammars, the index in the user's cache folder.
import { homedir } from "node:os";
import { isAbsolute, join, resolve, sep } from "node:path";

/** The two folders that models lie in. */
export interface ModelFolders {
  /** The extension's folder `models`: the catalogue, the small package, and what conversion needs of the others. */
  readonly packaged: string;
  /** The user's folder of converted models, each in a folder of its name; it need not exist. */
  readonly installed: string;
}

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
  return named !== undefined && named !== ""
    ? resolve(withHome(named))
    : join(dataFolder(environment), "selfracg", "models");
}

/**
 * Default folder of the index, in the user's cache folder: one for all workspaces, so that its bound holds for them
 * together and equal code is embedded once.
 */
export function defaultStoragePath(environment: NodeJS.ProcessEnv = process.env): string {
  return join(cacheFolder(environment), "selfracg");
}

function dataFolder(environment: NodeJS.ProcessEnv): string {
  if (process.platform === "win32") return absolute(environment.LOCALAPPDATA) ?? join(homedir(), "AppData", "Local");
  if (process.platform === "darwin") return join(homedir(), "Library", "Application Support");
  return absolute(environment.XDG_DATA_HOME) ?? join(homedir(), ".local", "share");
}

function cacheFolder(environment: NodeJS.ProcessEnv): string {
  if (process.platform === "win32") return absolute(environment.LOCALAPPDATA) ?? join(homedir(), "AppData", "Local");
  if (process.platform === "darwin") return join(homedir(), "Library", "Caches");
  return absolute(environment.XDG_CACHE_HOME) ?? join(homedir(), ".cache");
}

/** A relative path counts as none (XDG Base Directory Specification). */
function absolute(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined;
}

/** A path that somebody wrote: `~` in front stands for the home folder, which no shell has put in for settings and `--option=~/x`. */
export function withHome(path: string): string {
  return path === "~" || path.startsWith("~/") || path.startsWith(`~${sep}`) ? join(homedir(), path.slice(1)) : path;
}
