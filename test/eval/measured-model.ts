// Resolves the model to measure: a name of the catalogue, or the folder of a package.

import type { ModelFolders } from "../../sidecar/host/locations";
import { smallModel } from "../../sidecar/models/catalogue";
import { resolveModel } from "../../sidecar/models/resolve-model";

/**
 * Absolute path of the package of `--model`, else SELFRACG_MODEL, else the small model. `model use` has no effect, so that the same
 * command measures the same model everywhere.
 * @throws ModelNotFound when it is not on this machine
 */
export function measuredModel(option: string | undefined, folders: ModelFolders): string {
  return resolveModel(option ?? process.env.SELFRACG_MODEL ?? smallModel, folders).folder;
}
