// The commands for the index: re-index, pause, resume, clear, and explain whether a file is in it.
import { ProgressLocation, Range, Uri, window, workspace } from "vscode";
import { errorMessage } from "../sidecar/host/errors";
import { type IndexCounts, type ServerCommand, serverCommands } from "../sidecar/protocol";
import { confirm, showError, showInformation } from "./notifications";
import type { SidecarSession } from "./session";
import { indexSummary } from "./status/status-text";

export class IndexingCommands {
  constructor(private readonly session: SidecarSession) {}

  /** Reads the whole workspace again, with progress that can be cancelled. */
  async reindex(): Promise<void> {
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
          return this.session.reindex(({ message, percentage }) => {
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
      this.fail("indexing failed", error);
    }
  }

  pause(): Promise<void> {
    return this.run(serverCommands.pauseIndexing, "indexing is paused; what is indexed stays searchable.");
  }

  resume(): Promise<void> {
    return this.run(serverCommands.resumeIndexing, "indexing is resumed.");
  }

  /** Deletes the index, when the user confirms it. */
  async clear(): Promise<void> {
    const detail =
      "Everything is embedded again from the files, which takes as long as the first time. Files are not touched.";
    if (await confirm("Delete the index of this workspace?", detail, "Clear"))
      await this.run(serverCommands.clearIndex, "the index was deleted and is being built again.");
  }

  /**
   * Says of a file or folder whether it is indexed, and by which rule it is not.
   * @param clicked from the explorer's menu, the address of what was clicked on; absent: the file that is open
   */
  async explain(clicked?: unknown): Promise<void> {
    const uri = clicked instanceof Uri ? clicked : window.activeTextEditor?.document.uri;
    if (uri === undefined) {
      void showInformation("SelfRACG: open a file first, or choose one in the explorer.");
      return;
    }
    try {
      const { message, rule } = await this.session.execute(serverCommands.why, uri.toString());
      this.session.log.info(message);
      const line = rule?.line;
      if (rule === undefined || line === undefined) {
        void showInformation(`SelfRACG: ${message}`);
        return;
      }
      const openRule = "Open Rule";
      if ((await showInformation(`SelfRACG: ${message}`, openRule)) === openRule) {
        await window.showTextDocument(Uri.file(rule.source), {
          selection: new Range(line - 1, 0, line - 1, rule.pattern.length),
        });
      }
    } catch (error) {
      this.fail("the file could not be explained", error);
    }
  }

  private async run(command: ServerCommand<[], IndexCounts | null>, done: string): Promise<void> {
    try {
      await this.session.execute(command);
      void showInformation(`SelfRACG: ${done}`);
    } catch (error) {
      this.fail("the index is unchanged", error);
    }
  }

  private fail(what: string, error: unknown): void {
    const message = `${what}: ${errorMessage(error)}`;
    this.session.log.error(message);
    void showError(`SelfRACG: ${message}`);
  }
}
