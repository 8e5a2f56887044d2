// Which files were edited lately, told from what the client changes.
import { LRUCache } from "lru-cache";
import type { TextDocuments } from "vscode-languageserver/node";
import type { TextDocument } from "vscode-languageserver-textdocument";
import { filePath } from "../host/paths";

/** Files that are remembered: the one worked on, and as many others as `npm run bench -- ranking` counts. */
const maxFiles = 9;

export class EditedFiles {
  /** Paths on disk. */
  private readonly paths = new LRUCache<string, true>({ max: maxFiles });

  /** Documents that are no file on disk are passed over. */
  note(uri: string): void {
    const path = filePath(uri);
    if (path !== undefined) this.paths.set(path, true);
  }

  has(uri: string): boolean {
    const path = this.paths.size === 0 ? undefined : filePath(uri);
    return path !== undefined && this.paths.has(path);
  }
}

/** Follows the documents of the client. */
export function editedFilesOf(documents: TextDocuments<TextDocument>): EditedFiles {
  const edited = new EditedFiles();
  /** Version of each document as it was opened: the change to it that is told then is none. */
  const opened = new Map<string, number>();
  documents.onDidOpen(({ document }) => void opened.set(document.uri, document.version));
  documents.onDidChangeContent(({ document: { uri, version } }) => {
    if (opened.get(uri) !== version) edited.note(uri);
  });
  documents.onDidClose(({ document }) => void opened.delete(document.uri));
  return edited;
}
