// Notebooks: the cells above and below a cell, for clients that synchronise notebooks (LSP 3.17).
import {
  type Connection,
  type NotebookDocument,
  type NotebookDocumentSyncOptions,
  NotebookDocuments,
  type TextDocuments,
} from "vscode-languageserver/node";
import type { TextDocument } from "vscode-languageserver-textdocument";

/** Every cell of every notebook, since a suggestion in one needs the others. */
export const notebookSync: NotebookDocumentSyncOptions = { notebookSelector: [{ notebook: "*" }] };

/** The cells around a cell. */
export interface CellSurroundings {
  readonly notebookUri: string;
  /** The text of the cells of its language above it, with separators; empty where there is none. */
  readonly above: string;
  /** The same below it. */
  readonly below: string;
}

/** Cells are joined by a blank line, as formatters do in scripts. */
const separator = "\n\n";

/** The open notebooks. Their cells are text documents too. */
export class Notebooks {
  private readonly notebooks: NotebookDocuments<TextDocument>;

  constructor(private readonly documents: TextDocuments<TextDocument>) {
    this.notebooks = new NotebookDocuments(documents);
  }

  listen(connection: Connection): void {
    this.notebooks.listen(connection);
  }

  /** Undefined for a document that is not a cell of an open notebook. */
  around(cell: TextDocument): CellSurroundings | undefined {
    const notebook = this.notebooks.findNotebookDocumentForCell(cell.uri);
    const place = notebook?.cells.findIndex(({ document }) => document === cell.uri) ?? -1;
    if (notebook === undefined || place < 0) return undefined;
    const above = this.texts(notebook, cell.languageId, 0, place);
    const below = this.texts(notebook, cell.languageId, place + 1);
    return {
      notebookUri: notebook.uri,
      above: above.map((text) => `${text.trimEnd()}${separator}`).join(""),
      below: below.map((text) => `${separator}${text.trimEnd()}`).join(""),
    };
  }

  private texts({ cells }: NotebookDocument, languageId: string, from: number, to?: number): string[] {
    return cells.slice(from, to).flatMap(({ document }) => {
      const cell = this.documents.get(document);
      const text = cell?.languageId === languageId ? cell.getText() : "";
      return text.trim() === "" ? [] : [text];
    });
  }
}
