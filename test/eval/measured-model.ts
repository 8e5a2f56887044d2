// The model that is measured: a name of the catalogue, or the folder of a package.

import type { ModelFolders } from "../../sidecar/host/locations";
import { smallModel } from "../../sidecar/models/catalogue";
import { resolveModel } from "../../sidecar/models/resolve-model";

/**
 * Absolute path of the package that `--model` names, else SELFRACG_MODEL, else the small one, whatever `model use` chose: the same
 * command measures the same everywhere.
 * @throws ModelNotFound where it is not on this machine
 */
export function measuredModel(option: string | undefined, folders: ModelFolders): string {
  return resolveModel(option ?? process.env.SELFRACG_MODEL ?? smallModel, folders).folder;
}
