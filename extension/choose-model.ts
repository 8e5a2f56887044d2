// The command that chooses the model: a folder with a model package, or back to the one that ships.
import { isAbsolute } from "node:path";
import { type QuickPickItem, Uri, window, workspace } from "vscode";
import { showError } from "./notifications";
import type { ExtensionSettings } from "./settings";

/** Name of the model that ships. */
const smallModel = "small";
/** The file that makes a folder a model package. */
const manifestFile = "model.json";

export async function chooseModel(settings: ExtensionSettings): Promise<void> {
  const choose: QuickPickItem = {
    label: "$(folder-opened) Choose a Folder",
    detail: `One with a model package: ${manifestFile} and the files that it lists`,
  };
  const shipped: QuickPickItem = {
    label: "$(package) The Model That Ships",
    ...(settings.model === smallModel ? { description: "in use" } : {}),
  };
  const present: QuickPickItem[] =
    settings.model === "" ? [] : [{ label: "$(check) As It Is", detail: settings.model }];
  const choice = await window.showQuickPick([choose, shipped, ...present], {
    title: "Choose Model",
    placeHolder: "Which model makes the suggestions? A change restarts the sidecar.",
  });
  if (choice === shipped) {
    await settings.setModel(smallModel);
  } else if (choice === choose) {
    const folder = await askForFolder(settings.model);
    if (folder !== undefined) await settings.setModel(folder.fsPath);
  }
}

async function askForFolder(present: string): Promise<Uri | undefined> {
  const [folder] =
    (await window.showOpenDialog({
      canSelectFiles: false,
      canSelectFolders: true,
      title: "Folder of a Model Package",
      openLabel: "Choose Model",
      ...(isAbsolute(present) ? { defaultUri: Uri.file(present) } : {}),
    })) ?? [];
  if (folder === undefined) return undefined;
  try {
    await workspace.fs.stat(Uri.joinPath(folder, manifestFile));
    return folder;
  } catch {
    void showError(
      `SelfRACG: expected a model package, found no ${manifestFile} in ${folder.fsPath}. Choose the folder that it is in; nothing was changed.`,
    );
    return undefined;
  }
}
