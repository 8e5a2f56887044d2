// The command that opens the retrieval inspector.

import { commands, type Disposable, type ExtensionContext } from "vscode";
import { command } from "../command-names";
import { InspectorPanel } from "../inspector/panel";
import type { SidecarSession } from "../session";

export function register(context: ExtensionContext, session: SidecarSession): Disposable {
  const panel = new InspectorPanel(context.extensionUri, session);
  const registration = commands.registerCommand(command.showInspector, () => panel.show());
  return {
    dispose: () => {
      registration.dispose();
      panel.dispose();
    },
  };
}
