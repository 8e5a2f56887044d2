// The command that opens the extension's settings, or one of them.

import { commands, type Disposable, type ExtensionContext } from "vscode";
import { configurationSection } from "../../sidecar/protocol";
import { command } from "../command-names";

export function register(context: ExtensionContext): Disposable {
  return commands.registerCommand(command.openSettings, (name?: unknown) => {
    const query = typeof name === "string" ? `@id:${configurationSection}.${name}` : `@ext:${context.extension.id}`;
    return commands.executeCommand("workbench.action.openSettings", query);
  });
}
