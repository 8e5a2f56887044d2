// Entry of the extension: settings, the sidecar's session, and what works on top of it.
import { join } from "node:path";
import type { Disposable, ExtensionContext } from "vscode";
import { registerCommands } from "./commands";
import { InspectorPanel } from "./inspector/panel";
import { ModelCommands } from "./models/model-commands";
import { ModelGetter } from "./models/model-getter";
import { offerModel } from "./models/offer-model";
import { SidecarSession } from "./session";
import { ExtensionSettings } from "./settings";
import { followContextKeys } from "./status/context-keys";
import { Snooze } from "./status/snooze";
import { showStatusBar } from "./status/status-bar";
import { StatusModel } from "./status/status-model";
import { suppressForSeveralCursors } from "./suggestions/suppress";

let session: SidecarSession | undefined;

/** Called by VS Code once, after start-up. All listen before the sidecar starts, so that they miss nothing. */
export function activate(context: ExtensionContext): void {
  const started = new SidecarSession(context, new ExtensionSettings());
  session = started;
  const statusModel = new StatusModel(started);
  const snooze = new Snooze(context.workspaceState, started);
  const inspector = new InspectorPanel(context.extensionUri, versionOf(context.extension.packageJSON), started);
  const modelCommands = new ModelCommands(join(context.extensionPath, "dist", "cli.js"));
  const modelGetter = new ModelGetter(started, statusModel, modelCommands);
  suppressForSeveralCursors(started, statusModel);
  context.subscriptions.push(
    started,
    statusModel,
    snooze,
    inspector,
    showStatusBar(statusModel),
    followContextKeys(statusModel),
    registerCommands({ context, session: started, statusModel, snooze, inspector, modelCommands, modelGetter }),
    onceStarted(started, () =>
      offerModel({
        session: started,
        commands: modelCommands,
        getter: modelGetter,
        memory: context.globalState,
        environment: process.env,
      }),
    ),
  );
  started.start();
}

/** Runs `work` when a sidecar answers for the first time. */
function onceStarted(started: SidecarSession, work: () => Promise<void>): Disposable {
  const listening = started.onDidStart(() => {
    listening.dispose();
    void work();
  });
  return listening;
}

/** Waits for the sidecar to write what is not yet written and to end. */
export async function deactivate(): Promise<void> {
  await session?.stop();
}

/** Of the manifest, which VS Code gives as it is written. */
function versionOf(manifest: unknown): string {
  return typeof manifest === "object" && manifest !== null && "version" in manifest
    ? String(manifest.version)
    : "unknown";
}
