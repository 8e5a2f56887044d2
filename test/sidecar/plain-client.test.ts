// Any LSP 3.18 client gets suggestions: a minimal client that knows only the protocol.
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
// From the other tests' client, only folders and the program's path are used, but no LSP code.
import { cleanUp, copyOfFixture, dist, endAtCleanUp, modelPath, temporaryFolder } from "./client";

interface Message {
  id?: number | string | null;
  method?: string;
  params?: unknown;
  result?: unknown;
  error?: { code: number; message: string };
}

interface Item {
  insertText: string;
  range?: { start: { line: number; character: number }; end: { line: number; character: number } };
}

/** Sends and receives framed JSON-RPC, and refuses all requests that a client need not support. */
class PlainClient {
  readonly process: ChildProcessWithoutNullStreams;
  readonly exited: Promise<number | null>;
  /** Methods of the server's requests, which were all refused, and of its notifications, which were all ignored. */
  readonly refused: string[] = [];
  readonly passedOver: string[] = [];
  capabilities: Record<string, unknown> = {};
  /** The server's output. */
  stderr = "";
  #unread = Buffer.alloc(0);
  #id = 0;
  readonly #answers = new Map<number, (message: Message) => void>();

  constructor(environment: NodeJS.ProcessEnv) {
    this.process = spawn(process.execPath, [join(dist, "sidecar.js"), "--stdio"], {
      env: { ...process.env, ...environment },
    });
    endAtCleanUp(this.process);
    this.exited = new Promise((done) => this.process.once("exit", (code) => done(code)));
    this.process.stderr.on("data", (bytes) => {
      this.stderr += String(bytes);
    });
    this.process.stdout.on("data", (bytes: Buffer) => this.#read(bytes));
  }

  #read(bytes: Buffer): void {
    this.#unread = Buffer.concat([this.#unread, bytes]);
    for (;;) {
      const end = this.#unread.indexOf("\r\n\r\n");
      if (end < 0) return;
      const length = Number(/^Content-Length: (\d+)$/im.exec(this.#unread.subarray(0, end).toString("ascii"))?.[1]);
      if (this.#unread.length < end + 4 + length) return;
      const message = JSON.parse(this.#unread.subarray(end + 4, end + 4 + length).toString("utf8")) as Message;
      this.#unread = this.#unread.subarray(end + 4 + length);
      this.#take(message);
    }
  }

  #take(message: Message): void {
    if (message.method === undefined) {
      this.#answers.get(message.id as number)?.(message);
      return;
    }
    if (message.id === undefined) return void this.passedOver.push(message.method);
    this.refused.push(message.method);
    this.#write({ id: message.id, error: { code: -32601, message: "Not known." } });
  }

  #write(message: Message): void {
    const content = Buffer.from(JSON.stringify({ jsonrpc: "2.0", ...message }));
    this.process.stdin.write(Buffer.concat([Buffer.from(`Content-Length: ${content.length}\r\n\r\n`), content]));
  }

  notify(method: string, params?: unknown): void {
    this.#write({ method, params });
  }

  request(method: string, params?: unknown): { id: number; answer: Promise<Message> } {
    const id = ++this.#id;
    const answer = new Promise<Message>((done) => this.#answers.set(id, done));
    this.#write({ id, method, params });
    return { id, answer };
  }

  async initialize(params: Record<string, unknown>): Promise<void> {
    const { result, error } = await this.request("initialize", { processId: process.pid, ...params }).answer;
    expect(error).toBeUndefined();
    this.capabilities = (result as { capabilities: Record<string, unknown> }).capabilities;
    this.notify("initialized", {});
  }

  async complete(uri: string, line: number, character: number, triggerKind = 2): Promise<Item[]> {
    const { result, error } = await this.request("textDocument/inlineCompletion", {
      textDocument: { uri },
      position: { line, character },
      context: { triggerKind },
    }).answer;
    expect(error).toBeUndefined();
    // The protocol allows a list, the bare items, or null.
    const items = Array.isArray(result) ? result : ((result as { items?: Item[] } | null)?.items ?? []);
    return items as Item[];
  }

  /** Sends shutdown and exit. */
  async end(): Promise<number | null> {
    const { result, error } = await this.request("shutdown").answer;
    expect([result, error]).toEqual([null, undefined]);
    this.notify("exit");
    return this.exited;
  }
}

afterEach(cleanUp);

/** A timeout that only a hang exceeds, even on a busy machine. */
const patienceMs = 240_000;

/** Cursors before a name that only another file defines. There are several, because a small model misses some. */
const places = [
  {
    file: "shop/reports.py",
    typed: "\n\ndef titles_of(catalog: Catalog, author: str) -> list[str]:\n    books = catalog.",
    name: "find_by_isbn",
  },
  {
    file: "shop/invoices.py",
    typed: "\n\ndef title_of(invoice: Invoice, isbn: str) -> str:\n    book = invoice.catalog.",
    name: "find_by_isbn",
  },
  {
    file: "shop/customers.py",
    typed: "\n\ndef fill(catalog: Catalog, book: Book) -> None:\n    catalog.",
    name: "add_book",
  },
  {
    file: "shop/reports.py",
    typed: "\n\ndef order_totals(orders: list[Order]) -> list[Money]:\n    return [order.",
    name: "order_total",
  },
];

/**
 * Opens a file, appends text as editors do, and requests suggestions repeatedly, because a plain client is not told when the model
 * is loaded and the workspace indexed, until the name is suggested at one of the cursors.
 */
async function nameFromAnotherFile(client: PlainClient, folder: string, change: "whole" | "ranges"): Promise<string> {
  let version = 0;
  for (const deadline = performance.now() + patienceMs; performance.now() < deadline; ) {
    for (const { file, typed, name } of places) {
      const uri = pathToFileURL(join(folder, file)).href;
      const text = (await readFile(join(folder, file), "utf8")).trimEnd();
      client.notify("textDocument/didOpen", { textDocument: { uri, languageId: "python", version: ++version, text } });
      const lines = text.split("\n");
      const end = { line: lines.length - 1, character: lines.at(-1)?.length ?? 0 };
      client.notify("textDocument/didChange", {
        textDocument: { uri, version: ++version },
        contentChanges: [change === "whole" ? { text: text + typed } : { range: { start: end, end }, text: typed }],
      });
      const after = (text + typed).split("\n");
      const at = { line: after.length - 1, character: after.at(-1)?.length ?? 0 };
      const [item] = await client.complete(uri, at.line, at.character);
      client.notify("textDocument/didClose", { textDocument: { uri } });
      if (item === undefined) continue;
      // The text is inserted at the cursor and replaces nothing.
      expect(item.range ?? { start: at, end: at }).toEqual({ start: at, end: at });
      if (item.insertText.includes(name)) return item.insertText;
    }
    await new Promise((wake) => setTimeout(wake, 200));
  }
  throw new Error(
    `Expected a name of another file at one of ${places.length} places, found it at none.\n${client.stderr}`,
  );
}

/** The environment without client settings: the index is in the user's cache folder, and the model is the one that ships. */
async function environment(): Promise<NodeJS.ProcessEnv> {
  const cache = await temporaryFolder();
  return { XDG_CACHE_HOME: cache, LOCALAPPDATA: cache, HOME: cache };
}

/** The path of the model under test, if it is not the one that ships. */
const options = process.env.SELFRACG_MODEL === undefined ? {} : { initializationOptions: { modelPath } };

/** The relevant capabilities of Neovim 0.11 and later (`make_client_capabilities`). */
const neovim = {
  general: { positionEncodings: ["utf-8", "utf-16", "utf-32"] },
  textDocument: {
    synchronization: { dynamicRegistration: false, didSave: true, willSave: true, willSaveWaitUntil: true },
    inlineCompletion: { dynamicRegistration: false },
  },
  workspace: {
    applyEdit: true,
    workspaceFolders: true,
    configuration: true,
    didChangeConfiguration: { dynamicRegistration: false },
    didChangeWatchedFiles: { dynamicRegistration: false, relativePatternSupport: true },
  },
  window: {
    workDoneProgress: true,
    showMessage: { messageActionItem: { additionalPropertiesSupport: true } },
    showDocument: { support: true },
  },
};

describe("a plain LSP 3.18 client", () => {
  it.each([
    ["with one capability, a root and whole-text changes", { textDocument: { inlineCompletion: {} } }, "root", "whole"],
    ["with no capability at all, and ranges", {}, "root", "ranges"],
    [
      "with workspace folders and nothing else of the workspace",
      { textDocument: { inlineCompletion: { dynamicRegistration: false } }, workspace: { workspaceFolders: true } },
      "folders",
      "ranges",
    ],
    ["with Neovim's capabilities, which refuses all requests", neovim, "folders", "ranges"],
  ] as const)("%s gets a name that only another file defines", async (_, capabilities, where, change) => {
    const folder = await copyOfFixture();
    const uri = pathToFileURL(folder).href;
    const client = new PlainClient(await environment());
    await client.initialize({
      capabilities,
      ...(where === "root" ? { rootUri: uri } : { rootUri: uri, workspaceFolders: [{ uri, name: "workspace" }] }),
      ...options,
    });
    expect(client.capabilities.inlineCompletionProvider).toBeTruthy();
    // Positions are in UTF-16 units by default, which every client supports.
    expect(client.capabilities.positionEncoding ?? "utf-16").toBe("utf-16");
    await nameFromAnotherFile(client, folder, change);
    // No request for a capability that the client did not announce.
    if (capabilities !== neovim) expect(client.refused).toEqual([]);
    expect(client.refused).not.toContain("client/registerCapability");
    expect(await client.end()).toBe(0);
    expect(client.stderr).toBe("");
  });

  it("sends positions in UTF-16 units, and every character arrives unchanged", async () => {
    const folder = await copyOfFixture();
    const client = new PlainClient(await environment());
    await client.initialize({
      capabilities: { textDocument: { inlineCompletion: {} } },
      rootUri: pathToFileURL(folder).href,
      ...options,
    });
    const uri = pathToFileURL(join(folder, "shop", "smileys.py")).href;
    const text = '# 😀😀😀 ünïcödé\ndef add(a, b):\n    return a + b\n\ndef twice(a):\n    note = "😀😀"; return ';
    await writeFile(join(folder, "shop", "smileys.py"), text);
    client.notify("textDocument/didOpen", { textDocument: { uri, languageId: "python", version: 1, text } });
    client.notify("textDocument/didSave", { textDocument: { uri } });
    const line = text.split("\n").at(-1) ?? "";
    const at = { line: 5, character: line.length };
    let items: Item[] = [];
    for (const deadline = performance.now() + patienceMs; items.length === 0 && performance.now() < deadline; ) {
      items = await client.complete(uri, at.line, at.character);
      await new Promise((wake) => setTimeout(wake, 100));
    }
    expect(items).toMatchObject([{ insertText: expect.stringMatching(/\S/), range: { start: at, end: at } }]);
    expect(await client.end()).toBe(0);
  });

  it("gets the protocol's error codes for cancelled and unknown requests", async () => {
    const client = new PlainClient(await environment());
    await client.initialize({ capabilities: { textDocument: { inlineCompletion: {} } }, rootUri: null, ...options });
    const uri = "file:///elsewhere/loop.py";
    client.notify("textDocument/didOpen", {
      textDocument: { uri, languageId: "python", version: 1, text: "def add(a, b):\n    return \n" },
    });
    for (const deadline = performance.now() + patienceMs; performance.now() < deadline; ) {
      if ((await client.complete(uri, 1, 11)).length > 0) break;
      await new Promise((wake) => setTimeout(wake, 100));
    }
    client.notify("textDocument/didChange", {
      textDocument: { uri, version: 2 },
      contentChanges: [{ text: `${"value = 1\n".repeat(60)}def add(a, b):\n    return a` }],
    });
    const { id, answer } = client.request("textDocument/inlineCompletion", {
      textDocument: { uri },
      position: { line: 61, character: 12 },
      context: { triggerKind: 2 },
    });
    client.notify("$/cancelRequest", { id });
    const { result, error } = await answer;
    // Either cancelled or already done, but never both.
    if (error === undefined) expect(result).toMatchObject({ items: expect.any(Array) });
    else expect([error.code, result]).toEqual([-32800, undefined]);
    expect(
      (
        await client.request("textDocument/hover", { textDocument: { uri }, position: { line: 0, character: 0 } })
          .answer
      ).error?.code,
    ).toBe(-32601);
    client.notify("$/whatever", {});
    client.notify("unheard/of", {});
    expect((await client.request("workspace/executeCommand", { command: "nobody.knows" }).answer).error).toBeDefined();
    client.notify("textDocument/didClose", { textDocument: { uri } });
    expect(await client.complete(uri, 0, 0)).toEqual([]);
    expect(await client.end()).toBe(0);
  });
});
