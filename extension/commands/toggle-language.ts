// The command that switches suggestions on and off for the active file's language.

import { commands, type Disposable, type ExtensionContext, window } from "vscode";
import { command } from "../command-names";
import { showInformation } from "../notifications";
import type { SidecarSession } from "../session";

export function register(_context: ExtensionContext, session: SidecarSession): Disposable {
  return commands.registerCommand(command.toggleLanguage, async () => {
    const languageId = window.activeTextEditor?.document.languageId;
    if (languageId === undefined) {
      void showInformation("SelfRACG: open a file of the language first.");
      return;
    }
    const { disabledLanguages } = session.settings;
    await session.settings.setDisabledLanguages(
      disabledLanguages.includes(languageId)
        ? disabledLanguages.filter((each) => each !== languageId)
        : [...disabledLanguages, languageId],
    );
  });
}
