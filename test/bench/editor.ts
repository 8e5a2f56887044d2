// An LSP client with one document, which starts the real sidecar and sends requests as VS Code does.
import { spawn } from "node:child_process";
import { basename } from "node:path";
import { pathToFileURL } from "node:url";
import { isDeepStrictEqual } from "node:util";
import {
  type CancellationToken,
  CancellationTokenSource,
  createProtocolConnection,
  ExecuteCommandRequest,
  type InlineCompletionItem,
  InlineCompletionRequest,
  InlineCompletionTriggerKind,
  LSPErrorCodes,
  type Position,
  type ProtocolConnection,
  ResponseError,
  StreamMessageReader,
  StreamMessageWriter,
} from "vscode-languageserver/node";
import {
  type CompletionTrace,
  configurationSection,
  defaultSettings,
  type IndexCounts,
  type InitializationOptions,
  messages,
  type Settings,
  type SidecarStatus,
  serverCommands,
  sidecarEnvironment,
} from "../../sidecar/protocol";

export interface EditorOptions {
  readonly sidecar: string;
  readonly workspace: string;
  readonly storagePath: string;
  readonly modelPath: string;
  readonly settings: Partial<Settings>;
}

/** The result of a request. */
export type Answer =
  | { readonly kind: "cancelled" }
  /** `text`: the ghost text at the cursor, or empty; the trace is absent when the server made none, as inside a word. */
  | { readonly kind: "answered"; readonly text: string; readonly trace: CompletionTrace | undefined };

/** The document in which text is typed. */
export interface Document {
  readonly uri: string;
  /** Inserts text at the cursor and moves the cursor behind it. */
  insert(text: string): void;
  /** Requests a suggestion at the cursor, until {@link cancel} is called. @throws Error of the sidecar, except for a cancellation */
  request(): { readonly answer: Promise<Answer>; cancel(): void };
  close(): void;
}

export interface Editor {
  /** Of the sidecar; undefined when it could not be started. */
  readonly processId: number | undefined;
  readonly status: SidecarStatus | undefined;
  /** Resolves when all changes on disk are indexed. */
  index(changed: readonly string[]): Promise<IndexCounts | undefined>;
  open(path: string, languageId: string, prefix: string, suffix: string): Document;
  /** Tells the sidecar that the suggestion of this trace was accepted. */
  accepted(trace: CompletionTrace): void;
  close(): Promise<void>;
}

interface Cursor {
  readonly uri: string;
  readonly position: Position;
  readonly suffix: string;
}

/** @throws Error of the sidecar, except for a cancellation */
async function askForSuggestion(
  connection: ProtocolConnection,
  { uri, position, suffix }: Cursor,
  token: CancellationToken,
): Promise<Answer> {
  try {
    const result = await connection.sendRequest(
      InlineCompletionRequest.type,
      { textDocument: { uri }, position, context: { triggerKind: InlineCompletionTriggerKind.Automatic } },
      token,
    );
    if (token.isCancellationRequested) return { kind: "cancelled" };
    const [item] = Array.isArray(result) ? result : (result?.items ?? []);
    // The last trace belongs to this request, because no other request was sent before the answer.
    const trace = await connection.sendRequest(messages.trace, {});
    const isOwn = trace?.uri === uri && isDeepStrictEqual(trace.position, position);
    return {
      kind: "answered",
      text: item === undefined ? "" : addedText(item, position, suffix),
      trace: isOwn ? trace : undefined,
    };
  } catch (error) {
    if (error instanceof ResponseError && error.code === LSPErrorCodes.RequestCancelled) return { kind: "cancelled" };
    throw error;
  }
}

/** The text that an item adds, without the brackets after the cursor that it replaces and ends with. */
function addedText({ insertText, range }: InlineCompletionItem, position: Position, suffix: string): string {
  const inserted = typeof insertText === "string" ? insertText : insertText.value;
  const replaced = suffix.slice(0, Math.max(0, (range?.end.character ?? position.character) - position.character));
  return inserted.endsWith(replaced) ? inserted.slice(0, inserted.length - replaced.length) : inserted;
}

/** Starts the sidecar and waits until it is ready. @throws Error when it ends or the model cannot be used */
export async function startEditor(options: EditorOptions): Promise<Editor> {
  const child = spawn(process.execPath, [options.sidecar, "--stdio"], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { ...process.env, ...sidecarEnvironment },
  });
  const ended = new Promise<never>((_, fail) => {
    child.once("error", fail);
    child.once("exit", (code, signal) =>
      fail(new Error(`expected the sidecar to keep running, but it ended with ${signal ?? code}`)),
    );
  });
  ended.catch(() => {});
  const connection = createProtocolConnection(
    new StreamMessageReader(child.stdout),
    new StreamMessageWriter(child.stdin),
  );
  let status: SidecarStatus | undefined;
  const ready = new Promise<void>((done, fail) => {
    connection.onNotification(messages.status, (now: SidecarStatus) => {
      status = now;
      if (now.state === "ready") done();
      else if (now.state === "error") fail(new Error(now.message));
    });
  });
  connection.onRequest("workspace/configuration", ({ items }: { items: readonly { section?: string }[] }) =>
    items.map(({ section }) => (section === configurationSection ? { ...defaultSettings, ...options.settings } : null)),
  );
  connection.onRequest("window/workDoneProgress/create", () => null);
  connection.onRequest("client/registerCapability", () => null);
  connection.listen();
  const alive = <Result>(result: Promise<Result>): Promise<Result> => Promise.race([ended, result]);
  const send = (method: string, params?: object): void =>
    void connection.sendNotification(method, params).catch(() => {});

  const initializationOptions: InitializationOptions = {
    modelPath: options.modelPath,
    storagePath: options.storagePath,
  };
  await alive(
    connection.sendRequest("initialize", {
      processId: process.pid,
      rootUri: null,
      capabilities: {
        workspace: { configuration: true, workspaceFolders: true },
        window: { workDoneProgress: true },
        textDocument: { inlineCompletion: {} },
      },
      workspaceFolders: [{ uri: pathToFileURL(options.workspace).href, name: basename(options.workspace) }],
      initializationOptions,
    }),
  );
  send("initialized", {});
  await alive(ready);

  return {
    processId: child.pid,
    get status() {
      return status;
    },
    async index(changed) {
      // 2: changed. The sidecar reads the disk, so this type is correct for new and deleted files too.
      if (changed.length > 0)
        send("workspace/didChangeWatchedFiles", {
          changes: changed.map((path) => ({ uri: pathToFileURL(path).href, type: 2 })),
        });
      return (
        (await alive(connection.sendRequest(serverCommands.reindex.request, serverCommands.reindex.params()))) ??
        undefined
      );
    },
    open(path, languageId, prefix, suffix) {
      const uri = pathToFileURL(path).href;
      const before = prefix.split("\n");
      let line = before.length - 1;
      let character = before.at(-1)?.length ?? 0;
      let version = 1;
      send("textDocument/didOpen", { textDocument: { uri, languageId, version, text: prefix + suffix } });
      return {
        uri,
        insert(text) {
          const at = { line, character };
          version += 1;
          send("textDocument/didChange", {
            textDocument: { uri, version },
            contentChanges: [{ range: { start: at, end: at }, text }],
          });
          const lines = text.split("\n");
          line += lines.length - 1;
          character = (lines.at(-1)?.length ?? 0) + (lines.length === 1 ? character : 0);
        },
        request() {
          const position = { line, character };
          const source = new CancellationTokenSource();
          const ask = (): Promise<Answer> => askForSuggestion(connection, { uri, position, suffix }, source.token);
          return { answer: alive(ask()), cancel: () => source.cancel() };
        },
        close: () => send("textDocument/didClose", { textDocument: { uri } }),
      };
    },
    accepted: ({ id }) => send(ExecuteCommandRequest.method, serverCommands.accepted.params(id)),
    async close() {
      try {
        await alive(connection.sendRequest("shutdown"));
        await connection.sendNotification("exit");
      } finally {
        connection.dispose();
        child.kill();
      }
    },
  };
}
