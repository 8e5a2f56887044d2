// The inline completion request over a real in-memory connection, with a scripted completer.
import { PassThrough } from "node:stream";
import { beforeEach, describe, expect, it } from "vitest";
import {
  createConnection,
  createProtocolConnection,
  type InlineCompletionContext,
  type InlineCompletionList,
  InlineCompletionRequest,
  InlineCompletionTriggerKind,
  type ProtocolConnection,
  StreamMessageReader,
  StreamMessageWriter,
  TextDocuments,
} from "vscode-languageserver/node";
import {
  type CompletionTrace,
  defaultSettings,
  messages,
  type Settings,
  serverCommands,
} from "../../../sidecar/protocol";
import type { CursorContext } from "../../../sidecar/retrieval/types";
import { registerInlineCompletion } from "../../../sidecar/server/inline-completion";
import type { ShownSuggestion } from "../../../sidecar/suggestions/acceptance";
import { CompletionCache } from "../../../sidecar/suggestions/completion-cache";
import { snapshotAt } from "../../../sidecar/suggestions/document-snapshot";
import { documentsWithEdits } from "../../../sidecar/suggestions/edits";
import { availabilityOf } from "../../../sidecar/suggestions/eligibility";
import { RequestScheduler } from "../../../sidecar/suggestions/request-scheduler";
import { Traces } from "../../../sidecar/suggestions/traces";

const uri = "file:///w/src/a.py";
const folders = [{ uri: "file:///w", name: "w" }];
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
let invocations: boolean[];
let shown: ShownSuggestion[];
/** Waits that the test ends; undefined: waits end at once. */
let holding: { signal: AbortSignal; go(): void }[] | undefined;
let scheduler: RequestScheduler;
let documents: TextDocuments<import("vscode-languageserver-textdocument").TextDocument>;

/** `|` marks the cursor. */
async function open(text: string, languageId = "python"): Promise<{ line: number; character: number }> {
  const before = text.slice(0, text.indexOf("|"));
  await client.sendNotification("textDocument/didOpen", {
    textDocument: { uri, languageId, version: 1, text: text.replace("|", "") },
  });
  return { line: before.split("\n").length - 1, character: before.length - (before.lastIndexOf("\n") + 1) };
}

/** Types or deletes. */
async function change(
  version: number,
  start: { line: number; character: number },
  text: string,
  end = start,
): Promise<void> {
  await client.sendNotification("textDocument/didChange", {
    textDocument: { uri, version },
    contentChanges: [{ range: { start, end }, text }],
  });
}

function ask(position: { line: number; character: number }, context: Partial<InlineCompletionContext> = {}) {
  return client.sendRequest(InlineCompletionRequest.type, {
    textDocument: { uri },
    position,
    context: { triggerKind: InlineCompletionTriggerKind.Invoked, ...context },
  }) as Promise<InlineCompletionList>;
}

async function nth(index: number): Promise<Asked> {
  for (;;) {
    const found = asked[index];
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 1));
}

beforeEach(() => {
  asked = [];
  ids = 0;
  invocations = [];
  shown = [];
  holding = undefined;
  settings = { ...defaultSettings };
  const up = new PassThrough();
  const down = new PassThrough();
  const server = createConnection(new StreamMessageReader(up), new StreamMessageWriter(down));
  documents = new TextDocuments(documentsWithEdits((document) => scheduler.edited(document.uri)));
  scheduler = new RequestScheduler({
    cache: new CompletionCache(),
    traces: new Traces(server),
    debounce: {
      hold: async (signal) => {
        if (holding === undefined) return 0;
        await new Promise<void>((go) => {
          signal.addEventListener("abort", () => go());
          holding?.push({ signal, go });
        });
        return 70;
      },
      completed() {},
    },
    settings: () => settings,
    modelNeeded() {},
    modelHash: () => "m",
    revision: () => 1,
    completer: () => ({
      complete: (context, _, position, signal = new AbortController().signal, _arrivedAt, { invoked = false } = {}) =>
        new Promise<CompletionTrace>((resolve, reject) => {
          ids += 1;
          const id = ids;
          const trace = (suggestion: string, stopReason: CompletionTrace["stopReason"]): CompletionTrace => ({
            id,
            uri: context.uri,
            languageId: context.languageId,
            position,
            suggestion,
            stopReason,
            fragments: [],
            dropped: [],
            promptTokens: 1,
            generatedTokens: 1,
            decodeSteps: 0,
            provider: "cpu",
            timings: {
              totalMs: 1,
              waitMs: 0,
              expressMs: 0,
              searchMs: 0,
              selectMs: 0,
              prefillMs: 0,
              decodeMs: 0,
              filterMs: 0,
            },
          });
          // As in the real completer, a cancellation resolves.
          signal.addEventListener("abort", () => resolve(trace("", "cancelled")));
          invocations.push(invoked);
          asked.push({
            context,
            signal,
            answer: (suggestion) => resolve(trace(suggestion, "end-of-statement")),
            fail: reject,
          });
        }),
    }),
  });
  registerInlineCompletion(server, {
    documents,
    scheduler,
    log,
    sources: () => ({ folders, cell: undefined }),
    availability: (document) =>
      availabilityOf(
        { uri: document.uri, languageId: document.languageId, path: "src/a.py" },
        { settings, noModel: undefined, snoozed: undefined },
      ),
    shown: (each) => void shown.push(each),
  });
  documents.listen(server);
  server.listen();
  client = createProtocolConnection(new StreamMessageReader(down), new StreamMessageWriter(up));
  client.listen();
});

describe("textDocument/inlineCompletion", () => {
  it("answers with the suggestion at the cursor, and sends its trace", async () => {
    const position = await open("import x\nx = ad|\ny = 2\n");
    const answer = ask(position);
    const { context, answer: give } = await nth(0);
    expect(context).toEqual({
      uri,
      path: "src/a.py",
      languageId: "python",
      prefix: "import x\nx = ad",
      suffix: "\ny = 2\n",
    });
    give("d(1)");
    const command = { title: "Suggestion accepted", command: serverCommands.accepted.name, arguments: [1] };
    expect(await answer).toEqual({
      items: [{ insertText: "d(1)", range: { start: position, end: position }, command }],
    });
    expect(await client.sendRequest(messages.trace, {})).toMatchObject({ id: 1, suggestion: "d(1)" });
  });

  it("counts characters in UTF-16 units and clamps a position beyond the line", async () => {
    await open("s = '😀'; t|\nrest");
    const answer = ask({ line: 0, character: 999 });
    const { context, answer: give } = await nth(0);
    expect(context.prefix).toBe("s = '😀'; t");
    give("x");
    expect((await answer).items[0]?.range).toEqual({
      start: { line: 0, character: 11 },
      end: { line: 0, character: 11 },
    });
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

  it("passes the client's cancellation on", async () => {
    const position = await open("a = |");
    const { CancellationTokenSource } = await import("vscode-languageserver/node");
    const source = new CancellationTokenSource();
    const answer = client.sendRequest(
      InlineCompletionRequest.type,
      { textDocument: { uri }, position, context: { triggerKind: 1 } },
      source.token,
    );
    const { signal } = await nth(0);
    source.cancel();
    await expect(answer).rejects.toMatchObject({ code: -32800 });
    expect(signal.aborted).toBe(true);
  });

  it("does not run the model while the suggestion is typed", async () => {
    const position = await open("a = |");
    const answer = ask(position);
    (await nth(0)).answer("foo(1)");
    await answer;
    await change(2, position, "fo");
    const rest = await ask({ line: 0, character: 6 });
    expect(rest.items).toMatchObject([
      { insertText: "o(1)", range: { start: { line: 0, character: 6 }, end: { line: 0, character: 6 } } },
    ]);
    expect(asked).toHaveLength(1);
    expect(await client.sendRequest(messages.trace, {})).toMatchObject({
      id: 1,
      cached: true,
      suggestion: "o(1)",
      position: { line: 0, character: 6 },
    });
  });

  it.each([
    ["switched off", { enable: false }],
    ["off for the language", { disabledLanguages: ["go", "python"] }],
    ["off for the file", { disabledFiles: ["src/"] }],
  ])("suggests nothing when %s, asked or not", async (_, change) => {
    settings = { ...defaultSettings, ...change };
    const position = await open("a = |");
    expect(await ask(position)).toEqual({ items: [] });
    expect(await ask(position, { triggerKind: InlineCompletionTriggerKind.Automatic })).toEqual({ items: [] });
    expect(asked).toHaveLength(0);
  });

  it("suggests nothing inside a word unless asked", async () => {
    const position = await open("a = na|me");
    expect(await ask(position, { triggerKind: InlineCompletionTriggerKind.Automatic })).toEqual({ items: [] });
    expect(asked).toHaveLength(0);
    const answer = ask(position);
    (await nth(0)).answer("x");
    expect((await answer).items).toHaveLength(1);
  });

  it("suggests nothing between the two units of a character, asked or not", async () => {
    for (const text of ["name = '\ud83d|\ude00'\n", "\ud83d|\ude00", "print('\ud83d\ude00\ud83d|\ude80', 1)\n"]) {
      const position = await open(text);
      expect(await ask(position)).toEqual({ items: [] });
      expect(await ask(position, { triggerKind: InlineCompletionTriggerKind.Automatic })).toEqual({ items: [] });
    }
    expect(asked).toHaveLength(0);
    const position = await open("print('\ud83d\ude00|', 1)\n");
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
    expect((await answer).items).toMatchObject([{ insertText: "namespace(x)", range }]);
  });

  it("ignores a selected entry that does not end at the cursor", async () => {
    const position = await open("obj.na|me\n");
    const range = { start: { line: 0, character: 4 }, end: { line: 0, character: 8 } };
    const answer = ask(position, { selectedCompletionInfo: { range, text: "other" } });
    const { context, answer: give } = await nth(0);
    expect(context.prefix).toBe("obj.na");
    give("x");
    expect((await answer).items[0]?.range).toEqual({ start: position, end: position });
  });

  it("reuses the suggestion while more of the selected entry is typed", async () => {
    const position = await open("obj.na|\n");
    const answer = ask(position, {
      selectedCompletionInfo: { range: { start: { line: 0, character: 4 }, end: position }, text: "namespace" },
    });
    (await nth(0)).answer("(x)");
    await answer;
    await change(2, position, "m");
    const end = { line: 0, character: 7 };
    const range = { start: { line: 0, character: 4 }, end };
    expect(await ask(end, { selectedCompletionInfo: { range, text: "namespace" } })).toMatchObject({
      items: [{ insertText: "namespace(x)", range }],
    });
    expect(asked).toHaveLength(1);
    const place = { id: 1, uri, offset: 13, selected: "namespace", suggestion: "(x)" };
    expect(shown).toEqual([
      { ...place, presentLength: 2 },
      { ...place, presentLength: 3 },
    ]);
  });

  it("continues the entry that begins with what was suggested before it was selected", async () => {
    const position = await open("obj.|\n");
    const answer = ask(position);
    (await nth(0)).answer("name(x)");
    await answer;
    await change(2, position, "n");
    const end = { line: 0, character: 5 };
    const range = { start: position, end };
    expect(await ask(end, { selectedCompletionInfo: { range, text: "name" } })).toMatchObject({
      items: [{ insertText: "name(x)", range }],
    });
    expect(asked).toHaveLength(1);
    expect(shown[1]).toEqual({ id: 1, uri, offset: 4, selected: "", suggestion: "name(x)", presentLength: 1 });
  });

  it("runs the model again for another selected entry", async () => {
    const position = await open("obj.na|\n");
    const range = { start: { line: 0, character: 4 }, end: position };
    for (const [index, text] of ["name", "native"].entries()) {
      const answer = ask(position, { selectedCompletionInfo: { range, text } });
      (await nth(index)).answer("()");
      expect((await answer).items[0]?.insertText).toBe(`${text}()`);
    }
  });

  it("accepts null for missing members", async () => {
    const position = await open("a = |");
    const answer = client.sendRequest(InlineCompletionRequest.type.method, {
      textDocument: { uri },
      position,
      context: { triggerKind: 1, selectedCompletionInfo: null },
    });
    (await nth(0)).answer("1");
    expect(await answer).toMatchObject({ items: [{ insertText: "1" }] });
  });

  it("replaces the bracket that the editor closed while the suggestion was typed", async () => {
    const position = await open("def |\n");
    const answer = ask(position);
    (await nth(0)).answer("add(a):");
    await answer;
    await change(2, position, "add()");
    const start = { line: 0, character: 8 };
    expect((await ask(start)).items).toMatchObject([
      { insertText: "a):", range: { start, end: { line: 0, character: 9 } } },
    ]);
    expect(asked).toHaveLength(1);
  });

  it("has the rest of a suggestion in a document with other line breaks", async () => {
    const position = await open("def f():|\r\n");
    const answer = ask(position);
    const { context, answer: give } = await nth(0);
    expect(context.suffix).toBe("\n");
    give("\n  a = 1\n  b");
    await answer;
    await change(2, position, "\r\n  a");
    expect((await ask({ line: 1, character: 3 })).items[0]?.insertText).toBe(" = 1\n  b");
    expect(shown.map(({ offset }) => offset)).toEqual([8, 8]);
  });

  it("is cancelled by an edit of its document, without a newer request", async () => {
    const position = await open("a = |");
    const answer = ask(position);
    const { signal } = await nth(0);
    await change(2, position, "x");
    expect(await answer).toEqual({ items: [] });
    expect(signal.aborted).toBe(true);
  });

  it("passes on whether the user asked", async () => {
    const position = await open("a = |");
    const automatic = ask(position, { triggerKind: InlineCompletionTriggerKind.Automatic });
    (await nth(0)).answer("");
    expect(await automatic).toEqual({ items: [] });
    // The result of an automatic request is not reused for an explicit one.
    const invoked = ask(position);
    (await nth(1)).answer("1");
    expect((await invoked).items).toHaveLength(1);
    expect(invocations).toEqual([false, true]);
  });

  describe("a request while somebody types", () => {
    const automatic = { triggerKind: InlineCompletionTriggerKind.Automatic };

    it("waits before the model runs, and has the wait in its trace", async () => {
      holding = [];
      const position = await open("a = |");
      const answer = ask(position, automatic);
      await until(() => holding?.length === 1);
      expect(asked).toHaveLength(0);
      holding[0]?.go();
      (await nth(0)).answer("1");
      expect((await answer).items).toHaveLength(1);
      expect(await client.sendRequest(messages.trace, {})).toMatchObject({ timings: { waitMs: 70 } });
    });

    it.each([
      ["a newer request", () => ask({ line: 0, character: 3 }, automatic)],
      ["an edit", () => change(2, { line: 0, character: 4 }, "x")],
    ])("is ended by %s, and the model does not run", async (_, next) => {
      holding = [];
      const answer = ask(await open("a = |"), automatic);
      await until(() => holding?.length === 1);
      void next();
      expect(await answer).toEqual({ items: [] });
      expect(asked).toHaveLength(0);
      expect(holding[0]?.signal.aborted).toBe(true);
    });

    it("does not wait when the user asks, nor for a cached suggestion", async () => {
      holding = [];
      const position = await open("a = |");
      const answer = ask(position);
      (await nth(0)).answer("12");
      await answer;
      expect((await ask(position, automatic)).items).toHaveLength(1);
      await change(2, position, "1");
      expect((await ask({ line: 0, character: 5 }, automatic)).items[0]?.insertText).toBe("2");
      expect(holding).toEqual([]);
    });
  });

  describe("a suggestion made in advance", () => {
    const prepare = (position: { line: number; character: number }) => {
      const document = documents.get(uri);
      if (document === undefined) throw new Error("not open");
      return scheduler.prepare(snapshotAt(document, position, undefined, { folders, cell: undefined }));
    };

    /** Waits for an answer, which is sent after the notification `didOpen` was handled. */
    const settled = () => client.sendRequest(messages.traces);

    it("answers the next request", async () => {
      const position = await open("a = |");
      await settled();
      const ready = prepare(position);
      (await nth(0)).answer("1");
      await ready;
      expect(await client.sendRequest(messages.traces)).toEqual([]);
      expect((await ask(position)).items).toHaveLength(1);
      expect(asked).toHaveLength(1);
      expect(await client.sendRequest(messages.traces)).toMatchObject([{ id: 1, cached: true }]);
    });

    it("is joined by a request that comes before it is ready", async () => {
      const position = await open("a = |");
      await settled();
      void prepare(position);
      const answer = ask(position, { triggerKind: InlineCompletionTriggerKind.Automatic });
      await settled();
      (await nth(0)).answer("1");
      expect((await answer).items).toHaveLength(1);
      expect(asked).toHaveLength(1);
    });

    it.each([
      ["a request elsewhere", async () => void ask({ line: 0, character: 1 })],
      ["an edit", () => change(2, { line: 0, character: 4 }, "x")],
    ])("is ended by %s", async (_, next) => {
      const position = await open("a = |");
      await settled();
      const ready = prepare(position);
      await next();
      await ready;
      expect((await nth(0)).signal.aborted).toBe(true);
    });

    it("is not made while a request is being answered", async () => {
      const position = await open("a = |");
      const answer = ask(position);
      const { answer: give } = await nth(0);
      await prepare({ line: 0, character: 2 });
      expect(asked).toHaveLength(1);
      give("1");
      await answer;
    });
  });

  it("answers with an empty list for a document that is not open", async () => {
    expect(await ask({ line: 0, character: 0 })).toEqual({ items: [] });
  });

  it("answers with an error when the completer fails, and works after that", async () => {
    const position = await open("a = |");
    const answer = ask(position);
    (await nth(0)).fail(new Error("out of memory"));
    await expect(answer).rejects.toThrow(/out of memory/);
    const next = ask(position);
    (await nth(1)).answer("1");
    expect((await next).items).toHaveLength(1);
  });
});
