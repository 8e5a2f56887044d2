// The inspector's requests over a real in-memory connection, with a scripted engine.
import { PassThrough } from "node:stream";
import { beforeEach, describe, expect, it } from "vitest";
import {
  CancellationTokenSource,
  createConnection,
  createProtocolConnection,
  type ProtocolConnection,
  StreamMessageReader,
  StreamMessageWriter,
  TextDocuments,
} from "vscode-languageserver/node";
import { TextDocument } from "vscode-languageserver-textdocument";
import type { CompletionRecord } from "../../../sidecar/completion/completion-record";
import type { Inspection } from "../../../sidecar/completion/inspection";
import { type CompletionTrace, defaultSettings, messages, type SearchResult } from "../../../sidecar/protocol";
import { type InspectionParts, InspectionRequests } from "../../../sidecar/server/inspection";
import { InterruptibleWork } from "../../../sidecar/server/interruptible-work";
import { Traces } from "../../../sidecar/suggestions/traces";
import { traceWith } from "../completion-trace";

const uri = "file:///w/src/a.py";
const traceOf = (id: number, suggestion = ""): CompletionTrace => traceWith({ id, uri, suggestion });

let client: ProtocolConnection;
let traces: Traces;
let interruptible: InterruptibleWork;
let engine: ReturnType<InspectionParts["engine"]>;
let searches: unknown[][];
/** Waits until its signal is aborted, as work of the model does. */
const untilAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    const give = () => reject(new DOMException("The work was cancelled.", "AbortError"));
    if (signal.aborted) give();
    else signal.addEventListener("abort", give);
  });

beforeEach(() => {
  searches = [];
  const completed = (id: number) => ({ trace: traceOf(id) }) as CompletionRecord;
  const inspection: Pick<Inspection, "get" | "promptOf" | "needOf" | "compare"> = {
    get: (id) => (id <= 3 ? completed(id) : undefined),
    promptOf: ({ trace }) => ({
      pieces: [{ kind: "prefix", text: `prompt ${trace.id}`, tokens: 2 }],
      contextLength: 8,
    }),
    needOf: () => Promise.reject(new Error("the thread ended")),
    compare: (_, signal) => untilAborted(signal),
  };
  engine = {
    inspection: inspection as Inspection,
    completer: {
      searchCode: async (...given): Promise<SearchResult> => {
        searches.push(given.slice(0, 4));
        return { fragments: [], nullScore: 0.25 };
      },
    },
  };
  const up = new PassThrough();
  const down = new PassThrough();
  const server = createConnection(new StreamMessageReader(up), new StreamMessageWriter(down));
  const documents = new TextDocuments(TextDocument);
  traces = new Traces(server);
  interruptible = new InterruptibleWork();
  new InspectionRequests(server, {
    documents,
    traces,
    log: { debug() {}, info() {}, warn() {}, error() {} },
    interruptible,
    settings: () => defaultSettings,
    folders: () => [{ uri: "file:///w", name: "w" }],
    engine: () => engine,
  });
  documents.listen(server);
  server.listen();
  client = createProtocolConnection(new StreamMessageReader(down), new StreamMessageWriter(up));
  client.listen();
});

describe("an inspected completion", () => {
  it("has the id asked for, by default the last", async () => {
    expect(await client.sendRequest(messages.prompt, {})).toBeNull();
    traces.put(traceOf(1));
    traces.put(traceOf(2));
    expect(await client.sendRequest(messages.prompt, { id: 1 })).toMatchObject({ pieces: [{ text: "prompt 1" }] });
    expect(await client.sendRequest(messages.prompt, {})).toMatchObject({ pieces: [{ text: "prompt 2" }] });
  });

  it.each([messages.prompt.method, messages.need.method, messages.compare.method])(
    "is null when it is no longer remembered, and without a model: %s",
    async (message) => {
      expect(await client.sendRequest(message, { id: 4 })).toBeNull();
      engine = undefined;
      expect(await client.sendRequest(message, { id: 1 })).toBeNull();
    },
  );

  it("has a number as its id", async () => {
    await expect(client.sendRequest(messages.prompt.method, { id: "1" })).rejects.toMatchObject({ code: -32602 });
  });

  it("has the reason why its need cannot be shown", async () => {
    await expect(client.sendRequest(messages.need, { id: 1 })).rejects.toThrow("the thread ended");
  });
});

describe("work of the model", () => {
  it("is interrupted by an edit, with an error that says so", async () => {
    const comparing = client.sendRequest(messages.compare, { id: 1 });
    await client.sendNotification("textDocument/didOpen", {
      textDocument: { uri, languageId: "python", version: 1, text: "x" },
    });
    await expect(comparing).rejects.toMatchObject({ code: -32802, message: "Typing goes first. Ask again." });
  });

  it("is interrupted by a request for a suggestion", async () => {
    const comparing = client.sendRequest(messages.compare, { id: 1 });
    await client.sendRequest(messages.prompt, { id: 1 });
    interruptible.interrupt();
    await expect(comparing).rejects.toMatchObject({ code: -32802 });
  });

  it.each([0, 5])("is cancelled by its client, %i ms after the request", async (ms) => {
    const source = new CancellationTokenSource();
    const comparing = client.sendRequest(messages.compare, { id: 1 }, source.token);
    if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
    source.cancel();
    await expect(comparing).rejects.toMatchObject({ code: -32800 });
  });
});

describe("a search", () => {
  it("uses the document named, or none", async () => {
    expect(await client.sendRequest(messages.search, { text: "money." })).toEqual({ fragments: [], nullScore: 0.25 });
    await client.sendRequest(messages.search, { text: "money.", uri: "file:///w/web/a.ts", limit: 3 });
    await client.sendNotification("textDocument/didOpen", {
      textDocument: { uri, languageId: "special", version: 1, text: "x" },
    });
    await client.sendRequest(messages.search, { text: "money.", uri });
    expect(searches).toEqual([
      ["money.", { uri: "", path: "", languageId: "plaintext" }, defaultSettings, 20],
      ["money.", { uri: "file:///w/web/a.ts", path: "web/a.ts", languageId: "typescript" }, defaultSettings, 3],
      ["money.", { uri, path: "src/a.py", languageId: "special" }, defaultSettings, 20],
    ]);
  });

  it("refuses wrong parameters with what is expected", async () => {
    for (const params of [{}, { text: 1 }, { text: "a", limit: 0 }, { text: "a", limit: 1e9 }]) {
      await expect(client.sendRequest(messages.search.method, params)).rejects.toMatchObject({
        code: -32602,
        message: expect.stringMatching(/^selfracg\/search: expected \{text: string/),
      });
    }
    engine = undefined;
    await expect(client.sendRequest(messages.search, { text: "a" })).rejects.toThrow("the model is not loaded");
  });
});
