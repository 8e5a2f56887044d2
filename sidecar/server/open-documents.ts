// The documents and notebooks that are open in the client, and their edits.
import {
  type Connection,
  type ServerCapabilities,
  TextDocumentSyncKind,
  TextDocuments,
} from "vscode-languageserver/node";
import type { TextDocument } from "vscode-languageserver-textdocument";
import { filePath } from "../host/paths";
import { documentsWithEdits, type EditListener } from "../suggestions/edits";
import { Notebooks, notebookSync } from "../suggestions/notebooks";
import type { OpenDocument } from "../workspace/priority";
import type { Feature } from "./feature";

export class OpenDocuments implements Feature {
  readonly texts: TextDocuments<TextDocument>;
  readonly notebooks: Notebooks;
  private readonly editListeners: EditListener[] = [];

  constructor(connection: Connection) {
    this.texts = new TextDocuments(
      documentsWithEdits((document, edits) => {
        for (const listener of this.editListeners) listener(document, edits);
      }),
    );
    this.notebooks = new Notebooks(this.texts);
    this.texts.listen(connection);
    this.notebooks.listen(connection);
  }

  initialize(): ServerCapabilities {
    return {
      textDocumentSync: { openClose: true, change: TextDocumentSyncKind.Incremental, save: { includeText: false } },
      notebookDocumentSync: notebookSync,
    };
  }

  /** Called after each change of a document, with its edits. */
  onEdited(listener: EditListener): void {
    this.editListeners.push(listener);
  }

  /** The open files, as the client has them. */
  files(): OpenDocument[] {
    return this.texts
      .all()
      .filter(({ uri }) => filePath(uri) !== undefined)
      .map((document) => ({ uri: document.uri, text: document.getText() }));
  }
}
