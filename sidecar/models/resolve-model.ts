// Resolves the model that a setting or an option names to the folder of its package.
import { existsSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import type { ModelFolders } from "../host/locations";
import { type Catalogue, readCatalogue, smallModel } from "./catalogue";
import { chosenModel, installedNames, manifestFile } from "./model-folders";

interface ResolvedModel {
  /** Absolute path of the model package. */
  readonly folder: string;
  /** Name of the model; undefined when a folder was named. */
  readonly name: string | undefined;
}

/** A model that is not on this machine. The message says which, and how to get it. */
export class ModelNotFound extends Error {
  override readonly name = "ModelNotFound";
}

/**
 * The package with this name or in this folder; with "" the one that `model use` chose, or the small one.
 * @throws ModelNotFound when there is no such model on this machine
 */
export function resolveModel(wanted: string, folders: ModelFolders): ResolvedModel {
  const name = wanted === "" ? chosenModel(folders) : wanted;
  const catalogue = readCatalogue(folders.packaged);
  const known = catalogue.get(name);
  if (known !== undefined && known.source === undefined) return { name, folder: join(folders.packaged, known.package) };
  if (installedNames(folders).includes(name)) return { name, folder: join(folders.installed, name) };
  if (known?.source !== undefined) {
    throw new ModelNotFound(
      `Expected the model ${name} on this machine, found none: run "model get ${name}" on the command line, which downloads ${known.source.file} of ${known.source.repository}.`,
    );
  }
  const folder = resolve(wanted);
  if (wanted !== "" && (isAbsolute(wanted) || existsSync(join(folder, manifestFile))))
    return { name: undefined, folder };
  throw new ModelNotFound(
    `Expected a model's name (${namesOf(catalogue, folders).join(", ")}) or the folder of a model package, found ${JSON.stringify(name)}. "model list" on the command line shows the models.`,
  );
}

/** The same, with the small model and a reason in the place of one that is not on this machine. */
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

/** All names that can be used, those of the catalogue first. */
function namesOf(catalogue: Catalogue, folders: ModelFolders): string[] {
  return [...new Set([...catalogue.keys(), ...installedNames(folders)])];
}
