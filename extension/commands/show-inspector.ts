// The command that opens the retrieval inspector.

import { commands, type Disposable, type ExtensionContext } from "vscode";
import { command } from "../command-names";
import { InspectorPanel } from "../inspector/panel";
import type { SidecarSession } from "../session";

export function register(context: ExtensionContext, session: SidecarSession): Disposable {
  const panel = new InspectorPanel(context.extensionUri, versionOf(context.extension.packageJSON), session);
  const registration = commands.registerCommand(command.showInspector, () => panel.show());
  return {
    dispose: () => {
      registration.dispose();
      panel.dispose();
    },
  };
}

/** Of the manifest, which VS Code gives as it is written. */
function versionOf(manifest: unknown): string {
  return typeof manifest === "object" && manifest !== null && "version" in manifest
    ? String(manifest.version)
    : "unknown";
}
