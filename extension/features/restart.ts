// The command that restarts the sidecar.

import { commands, type Disposable, type ExtensionContext } from "vscode";
import type { SidecarSession } from "../session";

export const restartCommand = "selfracg.restartSidecar";

export function register(_context: ExtensionContext, session: SidecarSession): Disposable {
  return commands.registerCommand(restartCommand, () => session.restart());
}
