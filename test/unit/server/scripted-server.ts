// A server with a scripted completer on an in-memory connection, for tests of the inline completion request.
import { PassThrough } from "node:stream";
import { beforeEach } from "vitest";
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
import { type CompletionTrace, defaultSettings, type Settings } from "../../../sidecar/protocol";
import type { CursorContext } from "../../../sidecar/retrieval/types";
import { registerInlineCompletion } from "../../../sidecar/server/inline-completion";
import type { ShownSuggestion } from "../../../sidecar/suggestions/acceptance";
import { CompletionCache } from "../../../sidecar/suggestions/completion-cache";
import { documentsWithEdits } from "../../../sidecar/suggestions/edits";
import { availabilityOf } from "../../../sidecar/suggestions/eligibility";
import { RequestScheduler } from "../../../sidecar/suggestions/request-scheduler";
import { Traces } from "../../../sidecar/suggestions/traces";
import { traceWith } from "../completion-trace";

export const uri = "file:///w/src/a.py";
export const folders = [{ uri: "file:///w", name: "w" }];
const log = { debug() {}, info() {}, warn() {}, error() {} };

interface Asked {
  context: CursorContext;
  signal: AbortSignal;
  answer(suggestion: string): void;
  fail(error: Error): void;
}

export let client: ProtocolConnection;
export let asked: Asked[];
let settings: Settings;
let ids: number;
export let invocations: boolean[];
export let shown: ShownSuggestion[];
/** Waits that the test ends; undefined: waits end at once. */
let holding: { signal: AbortSignal; go(): void }[] | undefined;
export let scheduler: RequestScheduler;
export let documents: TextDocuments<import("vscode-languageserver-textdocument").TextDocument>;

/** `|` marks the cursor. */
export async function open(text: string, languageId = "python"): Promise<{ line: number; character: number }> {
  const before = text.slice(0, text.indexOf("|"));
  await client.sendNotification("textDocument/didOpen", {
    textDocument: { uri, languageId, version: 1, text: text.replace("|", "") },
  });
  return { line: before.split("\n").length - 1, character: before.length - (before.lastIndexOf("\n") + 1) };
}

/** Types or deletes. */
export async function change(
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

export function ask(position: { line: number; character: number }, context: Partial<InlineCompletionContext> = {}) {
  return client.sendRequest(InlineCompletionRequest.type, {
    textDocument: { uri },
    position,
    context: { triggerKind: InlineCompletionTriggerKind.Invoked, ...context },
  }) as Promise<InlineCompletionList>;
}

export async function nth(index: number): Promise<Asked> {
  for (;;) {
    const found = asked[index];
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

export async function until(holds: () => boolean): Promise<void> {
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
          const { uri, languageId } = context;
          const trace = (suggestion: string, stopReason: CompletionTrace["stopReason"]): CompletionTrace =>
            traceWith({ id, uri, languageId, position, suggestion, stopReason });
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

/** Settings beside the defaults, until the end of the test. */
export function changeSettings(change: Partial<Settings>): void {
  settings = { ...defaultSettings, ...change };
}

/** Makes waits last until the test ends them. @returns the waits so far and later */
export function holdRequests(): { signal: AbortSignal; go(): void }[] {
  const waits: { signal: AbortSignal; go(): void }[] = [];
  holding = waits;
  return waits;
}
