// Where things are on this machine: the packaged model, the grammars, the index in the user's cache folder.
import { homedir } from "node:os";
import { isAbsolute, join, resolve, sep } from "node:path";

/** The two folders with models. */
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

/** @param bundleFolder the folder of the running bundle (`dist`) */
export function packagedLocations(bundleFolder: string): Locations {
  const packaged = resolve(bundleFolder, "..", "models");
  return {
    modelPath: join(packaged, "default"),
    grammarPath: join(bundleFolder, "grammars"),
    modelFolders: { packaged, installed: defaultModelsPath() },
  };
}

/**
 * Folder of the models that were converted on this machine, one for all windows and workspaces: SELFRACG_MODELS, else in the
 * user's data folder.
 */
export function defaultModelsPath(environment: NodeJS.ProcessEnv = process.env): string {
  const named = environment.SELFRACG_MODELS;
  return named !== undefined && named !== ""
    ? resolve(withHome(named))
    : join(dataFolder(environment), "selfracg", "models");
}

/**
 * Default folder of the index, in the user's cache folder. One for all workspaces, so that one size limit applies to all of
 * them and equal code is embedded once.
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

/** A path that a user wrote. `~` at its beginning is the home folder: no shell expands it in settings and in `--option=~/x`. */
export function withHome(path: string): string {
  return path === "~" || path.startsWith("~/") || path.startsWith(`~${sep}`) ? join(homedir(), path.slice(1)) : path;
}
