// Entry of the extension: settings, the sidecar's session, and the features on top of it.

import type { Disposable, ExtensionContext } from "vscode";
import * as chooseModel from "./features/choose-model";
import * as collectDiagnostics from "./features/collect-diagnostics";
import * as contextKeys from "./features/context-keys";
import * as getStarted from "./features/get-started";
import * as holdBack from "./features/hold-back";
import * as indexCommands from "./features/index-commands";
import * as inlineCompletion from "./features/inline-completion";
import * as menu from "./features/menu";
import * as openSettings from "./features/open-settings";
import * as reindex from "./features/reindex";
import * as restart from "./features/restart";
import * as showInspector from "./features/show-inspector";
import * as showLog from "./features/show-log";
import * as snooze from "./features/snooze";
import * as statusBar from "./features/status-bar";
import * as toggle from "./features/toggle";
import * as toggleLanguage from "./features/toggle-language";
import * as why from "./features/why";
import { Overview } from "./overview";
import { SidecarSession } from "./session";
import { ExtensionSettings } from "./settings";

interface Feature {
  register(context: ExtensionContext, session: SidecarSession, overview: Overview): Disposable;
}

const features: readonly Feature[] = [
  inlineCompletion,
  // After the one above: what is held back is not asked for.
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
