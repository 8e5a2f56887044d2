// The command that re-reads the workspace, with its progress.

import { commands, type Disposable, type ExtensionContext, ProgressLocation, window, workspace } from "vscode";
import { errorMessage } from "../../sidecar/host/errors";
import { command } from "../command-names";
import { showError, showInformation } from "../notifications";
import type { SidecarSession } from "../session";
import { indexSummary } from "../status/status-text";

export function register(_context: ExtensionContext, session: SidecarSession): Disposable {
  return commands.registerCommand(command.reindex, async () => {
    const folders = workspace.workspaceFolders ?? [];
    if (!folders.some(({ uri }) => uri.scheme === "file")) {
      const why = folders.length === 0 ? "no folder is open" : "no folder on a disk is open";
      void showInformation(`SelfRACG: ${why}, so there is nothing to index.`);
      return;
    }
    try {
      const counts = await window.withProgress(
        { location: ProgressLocation.Notification, title: "SelfRACG: indexing the workspace", cancellable: true },
        (progress, token) => {
          let reported = 0;
          return session.reindex(({ message, percentage }) => {
            const increment = Math.max(0, (percentage ?? reported) - reported);
            reported += increment;
            progress.report({ increment, ...(message === undefined ? {} : { message }) });
          }, token);
        },
      );
      void showInformation(
        counts === null ? "SelfRACG: indexing was cancelled." : `SelfRACG: indexed ${indexSummary(counts)}.`,
      );
    } catch (error) {
      const reason = errorMessage(error);
      session.log.error(`Indexing failed: ${reason}`);
      void showError(`SelfRACG: indexing failed: ${reason}`);
    }
  });
}
