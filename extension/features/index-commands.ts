// The commands that clear the index, and that pause and resume indexing.

import { commands, Disposable, type ExtensionContext, window } from "vscode";
import { serverCommands } from "../../sidecar/protocol";
import { command } from "../command-names";
import type { SidecarSession } from "../session";

export function register(_context: ExtensionContext, session: SidecarSession): Disposable {
  const run = async (name: string, done: string): Promise<void> => {
    try {
      await session.execute(name);
      void window.showInformationMessage(`SelfRACG: ${done}`);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      session.log.error(reason);
      void window.showErrorMessage(`SelfRACG: ${reason}`);
    }
  };
  const clear = async (): Promise<void> => {
    const yes = "Clear";
    const detail =
      "Everything is embedded anew from the files, which takes as long as the first time. Files are not touched.";
    const answer = await window.showWarningMessage("Delete the index of this workspace?", { modal: true, detail }, yes);
    if (answer === yes) await run(serverCommands.clearIndex, "the index was deleted and is being made anew.");
  };
  return Disposable.from(
    commands.registerCommand(command.clearIndex, clear),
    commands.registerCommand(command.pauseIndexing, () =>
      run(serverCommands.pauseIndexing, "indexing is paused; what is indexed stays searchable."),
    ),
    commands.registerCommand(command.resumeIndexing, () => run(serverCommands.resumeIndexing, "indexing goes on.")),
  );
}
