// Indexes the unsaved text of open files after a pause in typing.
import type { TextDocument } from "vscode-languageserver-textdocument";
import type { OpenDocuments } from "../open-documents";
import type { Indexing } from "./indexing";

/** While somebody types, each change would be replaced by the next one. */
const quietMs = 2000;

export function registerUnsavedBuffers(documents: OpenDocuments, indexing: Pick<Indexing, "bufferChanged">): void {
  const { texts } = documents;
  const waiting = new Map<string, NodeJS.Timeout>();
  const stop = (uri: string): void => {
    clearTimeout(waiting.get(uri));
    waiting.delete(uri);
  };
  documents.onEdited(({ uri, version }) => {
    stop(uri);
    const timer = setTimeout(() => {
      waiting.delete(uri);
      const now = texts.get(uri);
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
  texts.onDidSave(drop);
  texts.onDidClose(drop);
}
