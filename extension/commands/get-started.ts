// The command that opens the walkthrough.

import { commands, type Disposable, type ExtensionContext } from "vscode";
import { command } from "../command-names";

/** As package.json names it. */
const walkthrough = "getStarted";

export function register(context: ExtensionContext): Disposable {
  return commands.registerCommand(command.getStarted, () =>
    commands.executeCommand("workbench.action.openWalkthrough", `${context.extension.id}#${walkthrough}`, false),
  );
}
