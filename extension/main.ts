// Entry of the extension: settings, the sidecar's session, and the features on top of it.

import type { Disposable, ExtensionContext } from "vscode";
import * as chooseModel from "./choose-model";
import * as getStarted from "./commands/get-started";
import * as indexCommands from "./commands/index-commands";
import * as openSettings from "./commands/open-settings";
import * as reindex from "./commands/reindex";
import * as restart from "./commands/restart";
import * as showInspector from "./commands/show-inspector";
import * as showLog from "./commands/show-log";
import * as toggle from "./commands/toggle";
import * as toggleLanguage from "./commands/toggle-language";
import * as why from "./commands/why";
import * as collectDiagnostics from "./diagnostics/collect";
import { SidecarSession } from "./session";
import { ExtensionSettings } from "./settings";
import * as contextKeys from "./status/context-keys";
import * as menu from "./status/menu";
import * as snooze from "./status/snooze";
import * as statusBar from "./status/status-bar";
import { Overview } from "./status/status-model";
import * as holdBack from "./suggestions/suppress";

interface Feature {
  register(context: ExtensionContext, session: SidecarSession, overview: Overview): Disposable;
}

const features: readonly Feature[] = [
  holdBack,
  statusBar,
  menu,
  contextKeys,
  toggle,
  snooze,
  toggleLanguage,
  reindex,
  why,
  indexCommands,
  showInspector,
  chooseModel,
  restart,
  showLog,
  collectDiagnostics,
  openSettings,
  getStarted,
];

let session: SidecarSession | undefined;

/** Called by VS Code once, after start-up. Features register before the sidecar starts, so that they miss nothing. */
export function activate(context: ExtensionContext): void {
  const started = new SidecarSession(context, new ExtensionSettings());
  session = started;
  const overview = new Overview(started);
  context.subscriptions.push(
    started,
    overview,
    ...features.map((feature) => feature.register(context, started, overview)),
  );
  started.start();
}

/** Waits for the sidecar to write what it holds and to end. */
export async function deactivate(): Promise<void> {
  await session?.stop();
}
