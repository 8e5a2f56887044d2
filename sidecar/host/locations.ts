// The folders of this machine: packaged models, grammars, converted models, and the index in the user's cache folder.
import { homedir } from "node:os";
import { isAbsolute, join, resolve, sep } from "node:path";

/** The two folders of models. */
export interface ModelFolders {
  /** The extension's folder `models`: the catalogue, the small package, and the files for the conversion of others. */
  readonly packaged: string;
  /** The user's folder of converted models, one subfolder per name; it may not exist. */
  readonly installed: string;
}

export interface Locations {
  /** Folder of the packaged model. */
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
 * Folder of the models converted on this machine, the same for all workspaces: SELFRACG_MODELS, else a folder in the
 * user's data folder.
 */
export function defaultModelsPath(environment: NodeJS.ProcessEnv = process.env): string {
  const named = environment.SELFRACG_MODELS;
  return named !== undefined && named !== ""
    ? resolve(withHome(named))
    : join(dataFolder(environment), "selfracg", "models");
}

/**
 * Default folder of the index, in the user's cache folder. It is the same for all workspaces, so that one size limit applies
 * to all of them and equal code is embedded once.
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

/** Ignores a relative path (XDG Base Directory Specification). */
function absolute(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined;
}

/** Replaces `~` at the start of a user's path by the home folder: no shell does so in settings and in `--option=~/x`. */
export function withHome(path: string): string {
  return path === "~" || path.startsWith("~/") || path.startsWith(`~${sep}`) ? join(homedir(), path.slice(1)) : path;
}
