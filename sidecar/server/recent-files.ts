// Which files were edited and which were looked at lately, told from what the client opens and changes.
import type { TextDocuments } from "vscode-languageserver/node";
import type { TextDocument } from "vscode-languageserver-textdocument";
import type { Recency } from "../retrieval/ranking";
import { filePath } from "./document-path";

/** Files of either kind that are remembered: the one worked on, and as many others as `npm run bench -- ranking` counts. */
const most = 9;

export class RecentFiles {
  /** Paths on disk, the last one last. */
  private readonly edited = new Set<string>();
  private readonly viewed = new Set<string>();

  /** Documents that are no file on disk are passed over. */
  note(uri: string, how: Recency): void {
    const path = filePath(uri);
    if (path === undefined) return;
    const recent = how === "edited" ? this.edited : this.viewed;
    recent.delete(path);
    recent.add(path);
    for (const oldest of recent) {
      if (recent.size <= most) break;
      recent.delete(oldest);
    }
  }

  of(uri: string): Recency | undefined {
    if (this.edited.size + this.viewed.size === 0) return undefined;
    const path = filePath(uri);
    if (path === undefined) return undefined;
    return this.edited.has(path) ? "edited" : this.viewed.has(path) ? "viewed" : undefined;
  }
}

/** Follows the documents of the client. */
export function recentFilesOf(documents: TextDocuments<TextDocument>): RecentFiles {
  const recent = new RecentFiles();
  /** Version of each document as it was opened: the change to it that is told then is none. */
  const opened = new Map<string, number>();
  documents.onDidOpen(({ document }) => {
    opened.set(document.uri, document.version);
    recent.note(document.uri, "viewed");
  });
  documents.onDidChangeContent(({ document }) => {
    if (opened.get(document.uri) !== document.version) recent.note(document.uri, "edited");
  });
  documents.onDidClose(({ document }) => opened.delete(document.uri));
  return recent;
}
