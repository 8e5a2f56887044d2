// The menu of the status bar: everything that can be done now, in one list.
import { commands, type QuickPickItem, QuickPickItemKind, window, workspace } from "vscode";
import type { SidecarSession } from "../session";
import { type MenuEntry, menuGroups } from "./menu-entries";
import type { StatusModel } from "./status-model";

interface MenuItem extends QuickPickItem {
  entry?: MenuEntry;
}

export async function showMenu(session: SidecarSession, statusModel: StatusModel): Promise<void> {
  const { data } = statusModel;
  const groups = menuGroups(data, {
    now: Date.now(),
    folders: (workspace.workspaceFolders ?? []).length > 0,
    disabledLanguages: session.settings.disabledLanguages,
  });
  const items = groups.flatMap(({ title, entries }): MenuItem[] => [
    { label: title, kind: QuickPickItemKind.Separator },
    ...entries.map((entry) => itemOf(entry)),
  ]);
  const choice = await window.showQuickPick(items, {
    title: "SelfRACG",
    placeHolder: data.status.message,
    matchOnDescription: true,
  });
  if (choice?.entry !== undefined) {
    const { command: name, argument } = choice.entry;
    await commands.executeCommand(name, ...(argument === undefined ? [] : [argument]));
  }
}

function itemOf(entry: MenuEntry): MenuItem {
  return {
    label: `$(${entry.icon}) ${entry.title}`,
    entry,
    ...(entry.description === undefined ? {} : { description: entry.description }),
  };
}
