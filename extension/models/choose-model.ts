// The command that chooses the model: gets, switches to and removes models, and takes a file or a folder of the user's.
import { basename, isAbsolute } from "node:path";
import {
  type QuickInputButton,
  type QuickPickItem,
  QuickPickItemKind,
  ThemeIcon,
  Uri,
  window,
  workspace,
} from "vscode";
import { errorMessage } from "../../sidecar/host/errors";
import type { ListedModel } from "../../sidecar/protocol";
import { confirm, showError, showInformation } from "../notifications";
import type { SidecarSession } from "../session";
import type { ModelCommands } from "./model-commands";
import { askForFile, type ModelGetter } from "./model-getter";
import { downloadDetail, foundTexts, isInUse, modelEntries, titleOf } from "./model-texts";

/** Name of the model that ships. */
const smallModel = "small";
/** The file that makes a folder a model package. */
const manifestFile = "model.json";

export interface ChooseModelParts {
  readonly session: SidecarSession;
  readonly commands: ModelCommands;
  readonly getter: ModelGetter;
}

interface Item extends QuickPickItem {
  readonly model?: ListedModel;
  readonly action?: () => Promise<void>;
}

const removeButton: QuickInputButton = { iconPath: new ThemeIcon("trash"), tooltip: "Remove from This Machine" };

/** What was done in the list: an entry was chosen, or its button pressed. */
type Choice = { readonly item: Item; readonly remove: boolean };

export async function chooseModel(parts: ChooseModelParts): Promise<void> {
  const { session, getter } = parts;
  const { settings } = session;
  try {
    const { models } = await parts.commands.list();
    const choice = await ask([
      ...modelEntries(models, settings.model).map(
        ({ label, description, detail, model, removable }): Item => ({
          label,
          description,
          detail,
          model,
          buttons: removable ? [removeButton] : [],
        }),
      ),
      { label: "Of your own", kind: QuickPickItemKind.Separator },
      {
        label: "$(file) Choose a File",
        detail: "A GGUF file of one of these models, of any quantisation, or of a fine-tune",
        action: () => addChosenFile(getter),
      },
      {
        label: "$(search) Look for Files on This Machine",
        detail: "In the folders of llama.cpp, Ollama, LM Studio and Hugging Face",
        action: () => chooseFoundFile(parts, models),
      },
      {
        label: "$(folder-opened) Choose a Folder",
        detail: `One with a model package: ${manifestFile} and the files that it lists`,
        action: () => chooseFolder(session),
      },
      ...(isAbsolute(settings.model) ? [{ label: "$(check) As It Is", detail: settings.model }] : []),
    ]);
    if (choice === undefined) return;
    const { model, action } = choice.item;
    if (model === undefined) await action?.();
    else if (choice.remove) await remove(parts, model);
    else await use(parts, model);
  } catch (error) {
    const message = errorMessage(error);
    session.log.error(message);
    void showError(`SelfRACG: ${message}`);
  }
}

function ask(items: readonly Item[]): Promise<Choice | undefined> {
  return new Promise((done) => {
    const pick = window.createQuickPick<Item>();
    pick.title = "Choose Model";
    pick.placeholder = "Which model makes the suggestions? The one in use answers until the other is loaded.";
    pick.matchOnDetail = true;
    pick.items = items;
    pick.onDidAccept(() => {
      const [item] = pick.selectedItems;
      done(item && { item, remove: false });
      pick.hide();
    });
    pick.onDidTriggerItemButton(({ item }) => {
      done({ item, remove: true });
      pick.hide();
    });
    pick.onDidHide(() => {
      done(undefined);
      pick.dispose();
    });
    pick.show();
  });
}

async function use({ session, getter }: ChooseModelParts, model: ListedModel): Promise<void> {
  const ready = model.state === "here" || model.state === "ships";
  if (ready) return session.settings.setModel(model.name);
  if (await confirm(`Download ${titleOf(model)}?`, downloadDetail(model), "Download")) await getter.get(model);
}

async function remove({ session, commands }: ChooseModelParts, model: ListedModel): Promise<void> {
  const { settings } = session;
  const inUse = isInUse(model, settings.model);
  const detail = inUse
    ? "The small model answers then. Other windows that use it keep it until they are reloaded."
    : "It has to be downloaded or converted again to be used.";
  if (!(await confirm(`Remove ${titleOf(model)} from this machine?`, detail, "Remove"))) return;
  if (inUse) {
    await settings.setModel(smallModel);
    // Its files are in use until the sidecar has ended.
    await session.restart();
  }
  await commands.remove(model.name);
  void showInformation(`SelfRACG: ${titleOf(model)} was removed.`);
}

async function addChosenFile(getter: ModelGetter): Promise<void> {
  const file = await askForFile();
  if (file !== undefined) await getter.addFile(file);
}

async function chooseFoundFile({ commands, getter }: ChooseModelParts, models: readonly ListedModel[]): Promise<void> {
  const { files, others } = await commands.find();
  if (files.length === 0) {
    const found = others === 0 ? "no GGUF file" : `only GGUF files of other shapes (${others})`;
    void showInformation(`SelfRACG: found ${found} in the folders of llama.cpp, Ollama, LM Studio and Hugging Face.`);
    return;
  }
  const items = files.map((file) => ({ label: basename(file.path), ...foundTexts(file, models), file }));
  const choice = await window.showQuickPick(items, {
    title: "Files on This Machine",
    placeHolder: "Which file is a model made of? It stays where it is.",
  });
  if (choice === undefined) return;
  const { path, model: name, catalogued } = choice.file;
  const model = models.find((each) => each.name === name);
  if (catalogued && model !== undefined) await getter.get(model, { file: path });
  else await getter.addFile(path);
}

async function chooseFolder({ settings }: SidecarSession): Promise<void> {
  const [folder] =
    (await window.showOpenDialog({
      canSelectFiles: false,
      canSelectFolders: true,
      title: "Folder of a Model Package",
      openLabel: "Choose Model",
      ...(isAbsolute(settings.model) ? { defaultUri: Uri.file(settings.model) } : {}),
    })) ?? [];
  if (folder === undefined) return;
  try {
    await workspace.fs.stat(Uri.joinPath(folder, manifestFile));
  } catch {
    void showError(
      `SelfRACG: expected a model package, found no ${manifestFile} in ${folder.fsPath}. Choose the folder that it is in; nothing was changed.`,
    );
    return;
  }
  await settings.setModel(folder.fsPath);
}
