// The command that shows the log.

import { commands, type Disposable, type ExtensionContext } from "vscode";
import { command } from "../command-names";
import type { SidecarSession } from "../session";

export function register(_context: ExtensionContext, session: SidecarSession): Disposable {
  return commands.registerCommand(command.showLog, () => session.log.show());
}
