// The command that switches suggestions on and off.

import { commands, type Disposable, type ExtensionContext } from "vscode";
import type { SidecarSession } from "../session";

export const toggleCommand = "selfracg.toggle";

export function register(_context: ExtensionContext, session: SidecarSession): Disposable {
  return commands.registerCommand(toggleCommand, () => session.settings.setEnabled(!session.settings.enabled));
}
