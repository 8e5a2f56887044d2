// Indexes the unsaved text of open files after a pause in typing.
import type { TextDocuments } from "vscode-languageserver/node";
import type { TextDocument } from "vscode-languageserver-textdocument";
import type { Indexing } from "./indexing";

/** While somebody types, each change would be replaced by the next one. */
const quietMs = 2000;

export function registerUnsavedBuffers(
  documents: TextDocuments<TextDocument>,
  indexing: Pick<Indexing, "bufferChanged">,
): void {
  const waiting = new Map<string, NodeJS.Timeout>();
  /** Version of each document when it was opened: until it changes, the file on disk is the same. */
  const opened = new Map<string, number>();
  documents.onDidOpen(({ document }) => void opened.set(document.uri, document.version));
  const stop = (uri: string): void => {
    clearTimeout(waiting.get(uri));
    waiting.delete(uri);
  };
  documents.onDidChangeContent(({ document }) => {
    const { uri, version } = document;
    stop(uri);
    if (opened.get(uri) === version) return;
    const timer = setTimeout(() => {
      waiting.delete(uri);
      const now = documents.get(uri);
      if (now !== undefined && now.version === version) indexing.bufferChanged(uri, now.getText());
    }, quietMs);
    timer.unref();
    waiting.set(uri, timer);
  });
  // From then on the file on disk counts.
  const drop = ({ document }: { document: TextDocument }): void => {
    stop(document.uri);
    indexing.bufferChanged(document.uri, undefined);
  };
  documents.onDidSave(drop);
  documents.onDidClose((event) => {
    opened.delete(event.document.uri);
    drop(event);
  });
}
