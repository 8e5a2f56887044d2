// The command that opens the retrieval inspector.

import { commands, type Disposable, type ExtensionContext } from "vscode";
import { InspectorPanel } from "../inspector/panel";
import type { SidecarSession } from "../session";

export const showInspectorCommand = "selfracg.showInspector";

export function register(context: ExtensionContext, session: SidecarSession): Disposable {
  const panel = new InspectorPanel(context.extensionUri, session);
  const command = commands.registerCommand(showInspectorCommand, () => panel.show());
  return {
    dispose: () => {
      command.dispose();
      panel.dispose();
    },
  };
}
