// The command that shows the log.

import { commands, type Disposable, type ExtensionContext } from "vscode";
import type { SidecarSession } from "../session";

export const showLogCommand = "selfracg.showLog";

export function register(_context: ExtensionContext, session: SidecarSession): Disposable {
  return commands.registerCommand(showLogCommand, () => session.log.show());
}
