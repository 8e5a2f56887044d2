// Offers the first model to download, once, where the machine can carry it.
import { commands, type Memento } from "vscode";
import { errorMessage } from "../../sidecar/host/errors";
import { command } from "../command-names";
import { showInformation } from "../notifications";
import type { SidecarSession } from "../session";
import type { ModelCommands } from "./model-commands";
import type { ModelGetter } from "./model-getter";
import { offeredModel, offerText } from "./model-texts";

/** Set once the offer was shown, for all windows. */
const offeredKey = "modelOffered";

export interface OfferParts {
  readonly session: SidecarSession;
  readonly commands: ModelCommands;
  readonly getter: ModelGetter;
  /** Of all windows. */
  readonly memory: Memento;
  readonly environment: NodeJS.ProcessEnv;
}

/** Shows the offer when there is something to offer and it was never shown. Never rejects. */
export async function offerModel(parts: OfferParts): Promise<void> {
  const { session, commands: models, getter, memory, environment } = parts;
  // Whoever names the folder of models looks after them.
  if (memory.get(offeredKey) === true || session.settings.model !== "" || environment.SELFRACG_MODELS) return;
  try {
    const list = await models.list();
    const model = offeredModel(list.models, session.settings.model);
    if (model === undefined) return;
    await memory.update(offeredKey, true);
    const [get, choose, notNow] = ["Download", "Choose Model", "Not Now"];
    const choice = await showInformation(offerText(model), get, choose, notNow);
    if (choice === get) await getter.get(model);
    if (choice === choose) await commands.executeCommand(command.chooseModel);
  } catch (error) {
    session.log.warn(`No model was offered: ${errorMessage(error)}`);
  }
}
