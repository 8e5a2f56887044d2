// The commands that clear the index, and that pause and resume indexing.

import { commands, Disposable, type ExtensionContext } from "vscode";
import { errorMessage } from "../../sidecar/host/errors";
import { type IndexCounts, type ServerCommand, serverCommands } from "../../sidecar/protocol";
import { command } from "../command-names";
import { confirm, showError, showInformation } from "../notifications";
import type { SidecarSession } from "../session";

export function register(_context: ExtensionContext, session: SidecarSession): Disposable {
  const run = async (serverCommand: ServerCommand<[], IndexCounts | null>, done: string): Promise<void> => {
    try {
      await session.execute(serverCommand);
      void showInformation(`SelfRACG: ${done}`);
    } catch (error) {
      const reason = errorMessage(error);
      session.log.error(reason);
      void showError(`SelfRACG: ${reason}`);
    }
  };
  const clear = async (): Promise<void> => {
    const detail =
      "Everything is embedded anew from the files, which takes as long as the first time. Files are not touched.";
    if (await confirm("Delete the index of this workspace?", detail, "Clear"))
      await run(serverCommands.clearIndex, "the index was deleted and is being made anew.");
  };
  return Disposable.from(
    commands.registerCommand(command.clearIndex, clear),
    commands.registerCommand(command.pauseIndexing, () =>
      run(serverCommands.pauseIndexing, "indexing is paused; what is indexed stays searchable."),
    ),
    commands.registerCommand(command.resumeIndexing, () => run(serverCommands.resumeIndexing, "indexing goes on.")),
  );
}
