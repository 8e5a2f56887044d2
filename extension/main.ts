// Entry of the extension: settings, the sidecar's session, and the features on top of it.

import type { ExtensionContext } from "vscode";
import * as indexCommands from "./features/index-commands";
import * as inlineCompletion from "./features/inline-completion";
import * as reindex from "./features/reindex";
import * as restart from "./features/restart";
import * as showInspector from "./features/show-inspector";
import * as showLog from "./features/show-log";
import * as statusBar from "./features/status-bar";
import * as toggle from "./features/toggle";
import * as why from "./features/why";
import { SidecarSession } from "./session";
import { ExtensionSettings } from "./settings";

const features = [inlineCompletion, statusBar, reindex, why, indexCommands, toggle, showInspector, restart, showLog];

let session: SidecarSession | undefined;

/** Called by VS Code once, after start-up. Features register before the sidecar starts, so that they miss nothing. */
export function activate(context: ExtensionContext): void {
  const started = new SidecarSession(context, new ExtensionSettings());
  session = started;
  context.subscriptions.push(started, ...features.map((feature) => feature.register(context, started)));
  started.start();
}

/** Waits for the sidecar to write what it holds and to end. */
export async function deactivate(): Promise<void> {
  await session?.stop();
}
