// From what a setting or an option names to the folder of a model package, for the server, the command line and the measurements alike.

import { existsSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import type { ModelFolders } from "../host/locations";
import { type Catalogue, readCatalogue, smallModel } from "./catalogue";
import { chosenModel, installedNames, manifestFile } from "./model-folders";

export interface ResolvedModel {
  /** Absolute path of the model package. */
  readonly folder: string;
  /** Name of the model; undefined where a folder was named. */
  readonly name: string | undefined;
}

/** A model that is not on this machine. The message says what was named, and how to come by it. */
export class ModelNotFound extends Error {
  override readonly name = "ModelNotFound";
}

/**
 * The package that a name or the path of a folder stands for; with "" the one that `model use` chose, or the small one.
 * @throws ModelNotFound where there is no such model here.
 */
export function resolveModel(wanted: string, folders: ModelFolders): ResolvedModel {
  const name = wanted === "" ? chosenModel(folders) : wanted;
  const catalogue = readCatalogue(folders.packaged);
  const known = catalogue.get(name);
  if (known !== undefined && known.source === undefined) return { name, folder: join(folders.packaged, known.package) };
  if (installedNames(folders).includes(name)) return { name, folder: join(folders.installed, name) };
  if (known?.source !== undefined) {
    throw new ModelNotFound(
      `Expected the model ${name} on this machine, found it not yet here: run "model add ${known.source.file}" on the command line with the file of ${known.source.repository}.`,
    );
  }
  const folder = resolve(wanted);
  if (wanted !== "" && (isAbsolute(wanted) || existsSync(join(folder, manifestFile))))
    return { name: undefined, folder };
  throw new ModelNotFound(
    `Expected a model's name (${namesOf(catalogue, folders).join(", ")}) or the folder of a model package, found ${JSON.stringify(name)}. "model list" on the command line shows what there is.`,
  );
}

/** As {@link resolveModel}; a model that is not here gives the small one, and the reason. */
export function resolveModelOrSmall(
  wanted: string,
  folders: ModelFolders,
): ResolvedModel & { readonly problem?: string } {
  try {
    return resolveModel(wanted, folders);
  } catch (error) {
    if (!(error instanceof ModelNotFound)) throw error;
    return { ...resolveModel(smallModel, folders), problem: `${error.message} Until then the small model answers.` };
  }
}

/** Every name that can be used, those of the catalogue first. */
function namesOf(catalogue: Catalogue, folders: ModelFolders): string[] {
  return [...new Set([...catalogue.keys(), ...installedNames(folders)])];
}
