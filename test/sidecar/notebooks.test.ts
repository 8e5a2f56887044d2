// Notebooks by LSP 3.17 with the real model: the cells above and below are context; also cells sent as documents.
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { NotebookCell, Position, TextDocumentItem } from "vscode-languageserver/node";
import { messages } from "../../sidecar/protocol";
import { cleanUp, copyOfFixture, type Sidecar, start, uriOf } from "./client";

let folder: string;
let sidecar: Sidecar;

beforeAll(async () => {
  folder = await copyOfFixture();
  sidecar = await start({ folders: [folder], settings: { retrieval: false } });
  await sidecar.reaches("ready");
});
afterAll(cleanUp);

interface Cell {
  text: string;
  languageId?: string;
}

let books = 0;

/** A notebook in the client. */
class Book {
  readonly uri: string;
  version = 1;

  constructor(readonly name: string) {
    this.uri = uriOf(join(folder, name));
  }

  static async open(...cells: Cell[]): Promise<Book> {
    books += 1;
    const book = new Book(`book-${books}.ipynb`);
    await sidecar.connection.sendNotification("notebookDocument/didOpen", {
      notebookDocument: {
        uri: book.uri,
        notebookType: "jupyter-notebook",
        version: 1,
        cells: cells.map((cell, index) => book.cell(index, cell)),
      },
      cellTextDocuments: cells.map((cell, index) => book.document(index, cell)),
    });
    return book;
  }

  cellUri(index: number): string {
    return `vscode-notebook-cell:${this.uri.slice("file://".length)}#W${index}sZmlsZQ%3D%3D`;
  }

  cell(index: number, { languageId = "python" }: Cell): NotebookCell {
    return { kind: languageId === "markdown" ? 1 : 2, document: this.cellUri(index) };
  }

  document(index: number, { text, languageId = "python" }: Cell): TextDocumentItem {
    return { uri: this.cellUri(index), languageId, version: 1, text };
  }

  async change(cells: object): Promise<void> {
    this.version += 1;
    await sidecar.connection.sendNotification("notebookDocument/didChange", {
      notebookDocument: { uri: this.uri, version: this.version },
      change: { cells },
    });
  }

  /** Requests a suggestion in a cell, and returns it with its trace. */
  async ask(index: number, position: Position) {
    const list = await sidecar.request(this.cellUri(index), position);
    const trace = await sidecar.trace();
    if (trace === null || trace.uri !== this.cellUri(index)) throw new Error("No completion was made.");
    return { list, trace };
  }
}

const helper: Cell = { text: "def price_in_euros(amount, rate):\n    return amount * rate\n" };
const use: Cell = { text: "total = price_in_" };
const end = { line: 0, character: 17 };

describe("a notebook", () => {
  it("is requested in the capabilities with all its cells", () => {
    expect(sidecar.initializeResult?.capabilities.notebookDocumentSync).toEqual({
      notebookSelector: [{ notebook: "*" }],
    });
  });

  it("has the cells above and below in a cell's prompt, if they are in its language", async () => {
    const alone = await (await Book.open(use)).ask(0, end);
    const below = await (await Book.open(helper, use)).ask(1, end);
    expect(below.trace.promptTokens).toBeGreaterThan(alone.trace.promptTokens + 10);
    const others = await (
      await Book.open(
        { text: "# Prices\n\nAll of them in euros.", languageId: "markdown" },
        { text: "select 1", languageId: "sql" },
        use,
      )
    ).ask(2, end);
    expect(others.trace.promptTokens).toBe(alone.trace.promptTokens);
  });

  it("has suggestions of names defined in a cell above", async () => {
    const book = await Book.open(helper, { text: "", languageId: "python" }, use);
    const { list, trace } = await book.ask(2, end);
    expect(trace).toMatchObject({ uri: book.cellUri(2), position: end });
    for (const { range } of list.items) expect(range).toEqual({ start: end, end });
    const alone = await (await Book.open(use)).ask(0, end);
    expect(trace.suggestion).not.toBe(alone.trace.suggestion);
    expect(trace.suggestion).toMatch(/^euros/);
  });

  it("is updated when cells are edited, added, moved and removed", async () => {
    const book = await Book.open(use);
    const alone = (await book.ask(0, end)).trace;
    // A cell is added above.
    await book.change({
      structure: {
        array: { start: 0, deleteCount: 0, cells: [book.cell(1, helper)] },
        didOpen: [book.document(1, helper)],
      },
    });
    const added = (await book.ask(0, end)).trace;
    expect(added.promptTokens).toBeGreaterThan(alone.promptTokens);
    // A cell above is edited.
    const change = {
      range: { start: { line: 0, character: 0 }, end: { line: 0, character: 0 } },
      text: "import math\n",
    };
    await book.change({ textContent: [{ document: { uri: book.cellUri(1), version: 2 }, changes: [change] }] });
    const typed = (await book.ask(0, end)).trace;
    expect(typed.promptTokens).toBeGreaterThan(added.promptTokens);
    expect(typed.id).toBeGreaterThan(added.id);
    // The cell is removed: the context is as at first, and the cache has its suggestion.
    await book.change({ structure: { array: { start: 0, deleteCount: 1 }, didClose: [{ uri: book.cellUri(1) }] } });
    expect((await book.ask(0, end)).trace).toMatchObject({ id: alone.id, cached: true });
  });

  it("continues a suggestion from the cache while its text is typed in a cell", async () => {
    const book = await Book.open(helper, use);
    const { trace } = await book.ask(1, end);
    expect(trace.suggestion.length).toBeGreaterThan(1);
    const change = { range: { start: end, end }, text: trace.suggestion.slice(0, 1) };
    await book.change({ textContent: [{ document: { uri: book.cellUri(1), version: 2 }, changes: [change] }] });
    const next = await book.ask(1, { line: 0, character: 18 });
    expect(next.list.items[0]?.insertText).toBe(trace.suggestion.slice(1));
    expect(next.trace).toMatchObject({ id: trace.id, cached: true });
  });

  it("is identified by its own path and scheme, also when cells have their own names", async () => {
    await sidecar.configure({ disabledFiles: ["private-*.ipynb"] });
    const book = new Book("private-1.ipynb");
    const uri = "cell:42";
    await sidecar.connection.sendNotification("notebookDocument/didOpen", {
      notebookDocument: { uri: book.uri, notebookType: "other", version: 1, cells: [{ kind: 2, document: uri }] },
      cellTextDocuments: [{ uri, languageId: "python", version: 1, text: use.text }],
    });
    const availability = () => sidecar.connection.sendRequest(messages.availability, { uri });
    expect(await availability()).toMatchObject({ available: false, setting: "disabledFiles" });
    await sidecar.configure({ disabledFiles: [] });
    expect(await availability()).toEqual({ available: true });
    await sidecar.connection.sendNotification("notebookDocument/didClose", {
      notebookDocument: { uri: book.uri },
      cellTextDocuments: [{ uri }],
    });
    expect(await sidecar.request(uri, end)).toEqual({ items: [] });
  });
});

describe("a client that sends cells as text documents", () => {
  it("gets suggestions made from the single cell", async () => {
    const uri = `vscode-notebook-cell:${folder}/plain.ipynb#W0sZmlsZQ%3D%3D`;
    const { list, trace } = await sidecar.complete(uri, "def add(a, b):\n    return |\n");
    expect(trace.uri).toBe(uri);
    expect(list.items.length).toBeLessThanOrEqual(1);
    expect(trace.promptTokens).toBeGreaterThan(5);
    expect(await sidecar.connection.sendRequest(messages.availability, { uri })).toEqual({ available: true });
  });
});
