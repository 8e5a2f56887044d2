// Passes files that change on disk or are saved on to the index.
import {
  type Connection,
  DidChangeWatchedFilesNotification,
  FileChangeType,
  type TextDocuments,
} from "vscode-languageserver/node";
import type { TextDocument } from "vscode-languageserver-textdocument";
import type { Log } from "../../host/log";
import { filePath } from "../../host/paths";
import type { Client } from "../feature";
import type { Indexing } from "./indexing";

/** A change of one of these changes which files belong to the index. */
const ignoreFiles = /[\\/](?:\.gitignore|\.selfracgignore|\.git[\\/]info[\\/]exclude)$/;

export function registerWatchedFiles(
  connection: Connection,
  documents: TextDocuments<TextDocument>,
  { client, indexing, log }: { client: Client; indexing: Indexing; log: Log },
): void {
  const changed = (uri: string, removed: boolean): void => {
    const path = filePath(uri);
    if (path === undefined) return;
    if (ignoreFiles.test(path)) indexing.restart(`${path} changed`);
    else if (/[\\/]\.git[\\/]/.test(path)) return;
    else indexing.fileChanged(uri, removed);
  };
  connection.onDidChangeWatchedFiles(({ changes }) => {
    for (const { uri, type } of changes) changed(uri, type === FileChangeType.Deleted);
  });
  // Not every client watches files; every client says what it saved.
  documents.onDidSave(({ document }) => changed(document.uri, false));
  if (!client.registersWatchedFiles) {
    log.info(
      "The client watches no files: changes are seen when a file is saved in the editor, or at the next re-index.",
    );
    return;
  }
  connection.client
    .register(DidChangeWatchedFilesNotification.type, { watchers: [{ globPattern: "**/*" }] })
    .catch((error: unknown) => log.warn(`The client did not register for watched files: ${String(error)}`));
}
