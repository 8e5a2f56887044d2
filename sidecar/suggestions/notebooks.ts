// Notebooks: which cells stand above and below a cell, for clients that sync notebooks as LSP 3.17 has it.
import {
  type Connection,
  type NotebookDocument,
  type NotebookDocumentSyncOptions,
  NotebookDocuments,
  type TextDocuments,
} from "vscode-languageserver/node";
import type { TextDocument } from "vscode-languageserver-textdocument";

/** Every cell of every notebook: a cell with a suggestion needs those around it. */
export const notebookSync: NotebookDocumentSyncOptions = { notebookSelector: [{ notebook: "*" }] };

/** What a cell is read together with. */
export interface CellSurroundings {
  readonly notebookUri: string;
  /** Cells of the cell's language above it, in their order, with what separates them from it; empty where there is none. */
  readonly above: string;
  /** The same below it. */
  readonly below: string;
}

/** Cells are read as if a blank line stood between them: as formatters have it in a script. */
const separator = "\n\n";

/** The notebooks that are open. Their cells are among the text documents, like cells of a client that sends only those. */
export class Notebooks {
  readonly #notebooks: NotebookDocuments<TextDocument>;
  readonly #documents: TextDocuments<TextDocument>;

  constructor(documents: TextDocuments<TextDocument>) {
    this.#documents = documents;
    this.#notebooks = new NotebookDocuments(documents);
  }

  listen(connection: Connection): void {
    this.#notebooks.listen(connection);
  }

  /** Undefined for a document that is no cell of a notebook that is open. */
  around(cell: TextDocument): CellSurroundings | undefined {
    const notebook = this.#notebooks.findNotebookDocumentForCell(cell.uri);
    const place = notebook?.cells.findIndex(({ document }) => document === cell.uri) ?? -1;
    if (notebook === undefined || place < 0) return undefined;
    const above = this.#texts(notebook, cell.languageId, 0, place);
    const below = this.#texts(notebook, cell.languageId, place + 1);
    return {
      notebookUri: notebook.uri,
      above: above.map((text) => `${text.trimEnd()}${separator}`).join(""),
      below: below.map((text) => `${separator}${text.trimEnd()}`).join(""),
    };
  }

  #texts({ cells }: NotebookDocument, languageId: string, from: number, to?: number): string[] {
    return cells.slice(from, to).flatMap(({ document }) => {
      const cell = this.#documents.get(document);
      const text = cell?.languageId === languageId ? cell.getText() : "";
      return text.trim() === "" ? [] : [text];
    });
  }
}
