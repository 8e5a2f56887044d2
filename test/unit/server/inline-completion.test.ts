// The inline completion request over a real connection in memory, with a completer that the test steers.
import { PassThrough } from "node:stream";
import {
  createConnection,
  createProtocolConnection,
  InlineCompletionRequest,
  type InlineCompletionContext,
  type InlineCompletionList,
  InlineCompletionTriggerKind,
  type ProtocolConnection,
  StreamMessageReader,
  StreamMessageWriter,
  TextDocuments,
} from "vscode-languageserver/node";
import { TextDocument } from "vscode-languageserver-textdocument";
import { beforeEach, describe, expect, it } from "vitest";
import { type CompletionTrace, defaultSettings, messages, type Settings } from "../../../sidecar/protocol";
import type { CursorContext } from "../../../sidecar/retrieval/retrieval";
import { CompletionCache } from "../../../sidecar/server/completion-cache";
import { registerInlineCompletion } from "../../../sidecar/server/inline-completion";
import { Traces } from "../../../sidecar/server/traces";

const uri = "file:///w/src/a.py";
const log = { debug() {}, info() {}, warn() {}, error() {} };

interface Asked {
  context: CursorContext;
  signal: AbortSignal;
  answer(suggestion: string): void;
  fail(error: Error): void;
}

let client: ProtocolConnection;
let asked: Asked[];
let settings: Settings;
let ids: number;

/** `|` marks the cursor. */
async function open(text: string, languageId = "python"): Promise<{ line: number; character: number }> {
  const before = text.slice(0, text.indexOf("|"));
  await client.sendNotification("textDocument/didOpen", { textDocument: { uri, languageId, version: 1, text: text.replace("|", "") } });
  return { line: before.split("\n").length - 1, character: before.length - (before.lastIndexOf("\n") + 1) };
}

function ask(position: { line: number; character: number }, context: Partial<InlineCompletionContext> = {}) {
  return client.sendRequest(InlineCompletionRequest.type, {
    textDocument: { uri }, position, context: { triggerKind: InlineCompletionTriggerKind.Invoked, ...context },
  }) as Promise<InlineCompletionList>;
}

async function nth(index: number): Promise<Asked> {
  for (;;) {
    const found = asked[index];
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

beforeEach(() => {
  asked = [];
  ids = 0;
  settings = { ...defaultSettings };
  const up = new PassThrough();
  const down = new PassThrough();
  const server = createConnection(new StreamMessageReader(up), new StreamMessageWriter(down));
  const documents = new TextDocuments(TextDocument);
  registerInlineCompletion(server, {
    documents,
    cache: new CompletionCache(),
    traces: new Traces(server, log),
    log,
    settings: () => settings,
    folders: () => [{ uri: "file:///w", name: "w" }],
    completer: () => ({
      complete: (context, _, position, signal) =>
        new Promise<CompletionTrace>((resolve, reject) => {
          const trace = (suggestion: string, stopReason: CompletionTrace["stopReason"]): CompletionTrace => ({
            id: (ids += 1), uri: context.uri, languageId: context.languageId, position, suggestion, stopReason,
            fragments: [], dropped: [], promptTokens: 1, generatedTokens: 1, decodeSteps: 0, provider: "cpu",
            timings: { totalMs: 1, waitMs: 0, expressMs: 0, searchMs: 0, selectMs: 0, prefillMs: 0, decodeMs: 0, filterMs: 0 },
          });
          // As the real one: a cancellation resolves.
          signal.addEventListener("abort", () => resolve(trace("", "cancelled")));
          asked.push({ context, signal, answer: (suggestion) => resolve(trace(suggestion, "end-of-statement")), fail: reject });
        }),
    }),
  });
  documents.listen(server);
  server.listen();
  client = createProtocolConnection(new StreamMessageReader(down), new StreamMessageWriter(up));
  client.listen();
});

describe("textDocument/inlineCompletion", () => {
  it("gives the suggestion at the cursor, and its trace", async () => {
    const position = await open("import x\nx = ad|\ny = 2\n");
    const answer = ask(position);
    const { context, answer: give } = await nth(0);
    expect(context).toEqual({ uri, path: "src/a.py", languageId: "python", prefix: "import x\nx = ad", suffix: "\ny = 2\n" });
    give("d(1)");
    expect(await answer).toEqual({ items: [{ insertText: "d(1)", range: { start: position, end: position } }] });
    expect(await client.sendRequest(messages.trace)).toMatchObject({ id: 1, suggestion: "d(1)" });
  });

  it("counts characters in UTF-16 units and clamps a position beyond the line", async () => {
    await open("s = '😀'; t|\nrest");
    const answer = ask({ line: 0, character: 999 });
    const { context, answer: give } = await nth(0);
    expect(context.prefix).toBe("s = '😀'; t");
    give("x");
    expect((await answer).items[0]?.range).toEqual({ start: { line: 0, character: 11 }, end: { line: 0, character: 11 } });
  });

  it("lets a newer request cancel the older one", async () => {
    const position = await open("a = |");
    const first = ask(position);
    const { signal } = await nth(0);
    const second = ask({ line: 0, character: 3 });
    expect(await first).toEqual({ items: [] });
    expect(signal.aborted).toBe(true);
    (await nth(1)).answer(" 1");
    expect((await second).items).toHaveLength(1);
  });

  it("hands the client's cancellation on", async () => {
    const position = await open("a = |");
    const { CancellationTokenSource } = await import("vscode-languageserver/node");
    const source = new CancellationTokenSource();
    const answer = client.sendRequest(InlineCompletionRequest.type, { textDocument: { uri }, position, context: { triggerKind: 1 } }, source.token);
    const { signal } = await nth(0);
    source.cancel();
    await expect(answer).rejects.toMatchObject({ code: -32800 });
    expect(signal.aborted).toBe(true);
  });

  it("asks the model nothing while the suggestion is typed", async () => {
    const position = await open("a = |");
    const answer = ask(position);
    (await nth(0)).answer("foo(1)");
    await answer;
    await client.sendNotification("textDocument/didChange", {
      textDocument: { uri, version: 2 }, contentChanges: [{ range: { start: position, end: position }, text: "fo" }],
    });
    const rest = await ask({ line: 0, character: 6 });
    expect(rest.items).toEqual([{ insertText: "o(1)", range: { start: { line: 0, character: 6 }, end: { line: 0, character: 6 } } }]);
    expect(asked).toHaveLength(1);
    expect(await client.sendRequest(messages.trace)).toMatchObject({ id: 1, cached: true, suggestion: "o(1)", position: { line: 0, character: 6 } });
  });

  it.each([
    ["switched off", { enable: false }],
    ["off for the language", { disabledLanguages: ["go", "python"] }],
  ])("suggests nothing when %s, asked or not", async (_, change) => {
    settings = { ...defaultSettings, ...change };
    const position = await open("a = |");
    expect(await ask(position)).toEqual({ items: [] });
    expect(await ask(position, { triggerKind: InlineCompletionTriggerKind.Automatic })).toEqual({ items: [] });
    expect(asked).toHaveLength(0);
  });

  it("keeps quiet inside a word unless asked", async () => {
    const position = await open("a = na|me");
    expect(await ask(position, { triggerKind: InlineCompletionTriggerKind.Automatic })).toEqual({ items: [] });
    expect(asked).toHaveLength(0);
    const answer = ask(position);
    (await nth(0)).answer("x");
    expect((await answer).items).toHaveLength(1);
  });

  it("continues the entry that is selected in the suggest widget", async () => {
    const position = await open("obj.na|\n");
    const range = { start: { line: 0, character: 4 }, end: position };
    const answer = ask(position, { selectedCompletionInfo: { range, text: "namespace" } });
    const { context, answer: give } = await nth(0);
    expect(context.prefix).toBe("obj.namespace");
    give("(x)");
    expect((await answer).items).toEqual([{ insertText: "namespace(x)", range }]);
  });

  it("passes over a selected entry that does not end at the cursor", async () => {
    const position = await open("obj.na|me\n");
    const range = { start: { line: 0, character: 4 }, end: { line: 0, character: 8 } };
    const answer = ask(position, { selectedCompletionInfo: { range, text: "other" } });
    const { context, answer: give } = await nth(0);
    expect(context.prefix).toBe("obj.na");
    give("x");
    expect((await answer).items[0]?.range).toEqual({ start: position, end: position });
  });

  it("gives an empty list for a document that is not open", async () => {
    expect(await ask({ line: 0, character: 0 })).toEqual({ items: [] });
  });

  it("answers with an error when the completer breaks, and works again after it", async () => {
    const position = await open("a = |");
    const answer = ask(position);
    (await nth(0)).fail(new Error("out of memory"));
    await expect(answer).rejects.toThrow(/out of memory/);
    const next = ask(position);
    (await nth(1)).answer("1");
    expect((await next).items).toHaveLength(1);
  });
});
