// The command that restarts the sidecar.

import { commands, type Disposable, type ExtensionContext } from "vscode";
import { command } from "../command-names";
import type { SidecarSession } from "../session";

export function register(_context: ExtensionContext, session: SidecarSession): Disposable {
  return commands.registerCommand(command.restart, () => session.restart());
}
