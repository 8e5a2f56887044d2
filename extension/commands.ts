// All commands of the extension in one table: its name in package.json, and what it does.
import { commands, Disposable, type ExtensionContext, window } from "vscode";
import { configurationSection } from "../sidecar/protocol";
import { command } from "./command-names";
import { collectDiagnostics } from "./diagnostics/collect";
import { IndexingCommands } from "./indexing-commands";
import type { InspectorPanel } from "./inspector/panel";
import { chooseModel } from "./models/choose-model";
import type { ModelCommands } from "./models/model-commands";
import type { ModelGetter } from "./models/model-getter";
import { showInformation } from "./notifications";
import type { SidecarSession } from "./session";
import type { ExtensionSettings } from "./settings";
import { showMenu } from "./status/menu";
import type { Snooze } from "./status/snooze";
import type { StatusModel } from "./status/status-model";

/** As package.json names it. */
const walkthrough = "getStarted";

export interface CommandParts {
  readonly context: ExtensionContext;
  readonly session: SidecarSession;
  readonly statusModel: StatusModel;
  readonly snooze: Snooze;
  readonly inspector: InspectorPanel;
  readonly modelCommands: ModelCommands;
  readonly modelGetter: ModelGetter;
}

type CommandName = (typeof command)[keyof typeof command];
/** What a command does with its argument, which anybody may have given. */
type Handler = (given?: unknown) => unknown;

function handlers(parts: CommandParts): Record<CommandName, Handler> {
  const { context, session, statusModel, snooze, inspector } = parts;
  const indexing = new IndexingCommands(session);
  const { settings } = session;
  const extensionId = context.extension.id;
  return {
    [command.showMenu]: () => showMenu(session, statusModel),
    [command.toggle]: () => settings.setEnabled(!settings.enabled),
    [command.snooze]: (minutes) => snooze.start(minutes),
    [command.endSnooze]: () => snooze.end(),
    [command.toggleLanguage]: () => toggleLanguage(settings),
    [command.showInspector]: () => inspector.show(),
    [command.reindex]: () => indexing.reindex(),
    [command.pauseIndexing]: () => indexing.pause(),
    [command.resumeIndexing]: () => indexing.resume(),
    [command.clearIndex]: () => indexing.clear(),
    [command.why]: (clicked) => indexing.explain(clicked),
    [command.chooseModel]: () => chooseModel({ session, commands: parts.modelCommands, getter: parts.modelGetter }),
    [command.restart]: () => session.restart(),
    [command.showLog]: () => session.log.show(),
    [command.collectDiagnostics]: () => collectDiagnostics(context, session, statusModel),
    [command.openSettings]: (name) =>
      commands.executeCommand(
        "workbench.action.openSettings",
        typeof name === "string" ? `@id:${configurationSection}.${name}` : `@ext:${extensionId}`,
      ),
    [command.getStarted]: () =>
      commands.executeCommand("workbench.action.openWalkthrough", `${extensionId}#${walkthrough}`, false),
  };
}

export function registerCommands(parts: CommandParts): Disposable {
  return Disposable.from(
    ...Object.entries(handlers(parts)).map(([name, handler]) => commands.registerCommand(name, handler)),
  );
}

/** Switches suggestions on or off for the active file's language. */
async function toggleLanguage(settings: ExtensionSettings): Promise<void> {
  const languageId = window.activeTextEditor?.document.languageId;
  if (languageId === undefined) {
    void showInformation("SelfRACG: open a file of the language first.");
    return;
  }
  const { disabledLanguages } = settings;
  await settings.setDisabledLanguages(
    disabledLanguages.includes(languageId)
      ? disabledLanguages.filter((each) => each !== languageId)
      : [...disabledLanguages, languageId],
  );
}
