// The command that says of a file or folder whether it is indexed, and by which rule it is not.

import { commands, type Disposable, type ExtensionContext, Range, Uri, window } from "vscode";
import { errorMessage } from "../../sidecar/host/errors";
import { serverCommands } from "../../sidecar/protocol";
import { command } from "../command-names";
import { showError, showInformation } from "../notifications";
import type { SidecarSession } from "../session";

export function register(_context: ExtensionContext, session: SidecarSession): Disposable {
  // The explorer's menu hands over what was clicked on; from the palette it is the file that is open.
  return commands.registerCommand(command.why, async (clicked?: unknown) => {
    const uri = clicked instanceof Uri ? clicked : window.activeTextEditor?.document.uri;
    if (uri === undefined) {
      void showInformation("SelfRACG: open a file first, or choose one in the explorer.");
      return;
    }
    try {
      const { message, rule } = await session.execute(serverCommands.why, uri.toString());
      session.log.info(message);
      const line = rule?.line;
      if (rule === undefined || line === undefined) {
        void showInformation(`SelfRACG: ${message}`);
        return;
      }
      const openRule = "Open Rule";
      if ((await showInformation(`SelfRACG: ${message}`, openRule)) === openRule) {
        await window.showTextDocument(Uri.file(rule.source), {
          selection: new Range(line - 1, 0, line - 1, rule.pattern.length),
        });
      }
    } catch (error) {
      const reason = errorMessage(error);
      session.log.error(`${uri.toString()} could not be explained: ${reason}`);
      void showError(`SelfRACG: the file could not be explained: ${reason}`);
    }
  });
}
