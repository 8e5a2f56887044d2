// The files that were edited recently in the client.
import { LRUCache } from "lru-cache";
import type { TextDocuments } from "vscode-languageserver/node";
import type { TextDocument } from "vscode-languageserver-textdocument";
import { filePath } from "../host/paths";

/** Maximum number of files: the current one, and as many others as `npm run bench -- ranking` counts. */
const maxFiles = 9;

export class EditedFiles {
  /** Paths on disk. */
  private readonly paths = new LRUCache<string, true>({ max: maxFiles });

  /** Ignores documents that are not files on disk. */
  record(uri: string): void {
    const path = filePath(uri);
    if (path !== undefined) this.paths.set(path, true);
  }

  has(uri: string): boolean {
    const path = this.paths.size === 0 ? undefined : filePath(uri);
    return path !== undefined && this.paths.has(path);
  }
}

/** Records the edits of the client's documents. */
export function editedFilesOf(documents: TextDocuments<TextDocument>): EditedFiles {
  const edited = new EditedFiles();
  /** Version of each document when it was opened: opening is reported as a change as well. */
  const opened = new Map<string, number>();
  documents.onDidOpen(({ document }) => void opened.set(document.uri, document.version));
  documents.onDidChangeContent(({ document: { uri, version } }) => {
    if (opened.get(uri) !== version) edited.record(uri);
  });
  documents.onDidClose(({ document }) => void opened.delete(document.uri));
  return edited;
}
