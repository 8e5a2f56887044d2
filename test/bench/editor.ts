// An editor with one document, which sends requests to the real sidecar as VS Code does.
import { pathToFileURL } from "node:url";
import { isDeepStrictEqual } from "node:util";
import {
  type CancellationToken,
  CancellationTokenSource,
  type InlineCompletionItem,
  InlineCompletionTriggerKind,
  LSPErrorCodes,
  type Position,
  ResponseError,
} from "vscode-languageserver/node";
import {
  type CompletionTrace,
  type IndexCounts,
  type Settings,
  type SidecarStatus,
  serverCommands,
  sidecarEnvironment,
} from "../../sidecar/protocol";
import { SidecarClient } from "../sidecar-client";

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

/** Starts the sidecar and waits until it is ready. @throws Error when it ends or the model cannot be used */
export async function startEditor({ sidecar, workspace, storagePath, ...options }: EditorOptions): Promise<Editor> {
  const client = new SidecarClient({
    sidecar,
    folders: [workspace],
    settings: options.settings,
    env: { ...process.env, ...sidecarEnvironment },
    initializationOptions: { modelPath: options.modelPath, storagePath },
  });
  client.process.stderr?.pipe(process.stderr);
  const ended = client.exited.then((code): never => {
    throw new Error(`expected the sidecar to keep running, but it ended with ${code}`);
  });
  ended.catch(() => {});
  const alive = <Result>(result: Promise<Result>): Promise<Result> => Promise.race([ended, result]);
  // A message that cannot be sent shows in the next request.
  const unanswered = (sent: Promise<unknown>): void => void sent.catch(() => {});
  const settled = () =>
    client.status?.state === "ready" || client.status?.state === "error" ? client.status : undefined;
  await alive(client.initialize());
  const { state, message } = await client.until("the model", settled, Infinity);
  if (state === "error") throw new Error(message);
  return {
    processId: client.process.pid,
    get status() {
      return client.status;
    },
    async index(changed) {
      // 2: changed. The sidecar reads the disk, so this type is correct for new and deleted files too.
      for (const path of changed) unanswered(client.watched(path, 2));
      return (await alive(client.reindex())) ?? undefined;
    },
    open(path, languageId, prefix, suffix) {
      const uri = pathToFileURL(path).href;
      let position = behind({ line: 0, character: 0 }, prefix);
      unanswered(client.open(uri, prefix + suffix, languageId));
      return {
        insert(text) {
          unanswered(client.insert(uri, position, text));
          position = behind(position, text);
        },
        request() {
          const source = new CancellationTokenSource();
          const answer = alive(ask(client, uri, position, suffix, source.token));
          return { answer, cancel: () => source.cancel() };
        },
        close: () => unanswered(client.connection.sendNotification("textDocument/didClose", { textDocument: { uri } })),
      };
    },
    accepted: ({ id }) => unanswered(client.execute(serverCommands.accepted, id)),
    async close() {
      try {
        await Promise.race([client.close(), client.exited]);
      } finally {
        client.connection.dispose();
        client.kill();
      }
    },
  };
}

/** The position behind `text` that begins at `start`. */
function behind(start: Position, text: string): Position {
  const lines = text.split("\n");
  const character = (lines.at(-1)?.length ?? 0) + (lines.length === 1 ? start.character : 0);
  return { line: start.line + lines.length - 1, character };
}

/** @throws Error of the sidecar, except for a cancellation */
async function ask(
  client: SidecarClient,
  uri: string,
  position: Position,
  suffix: string,
  token: CancellationToken,
): Promise<Answer> {
  try {
    const { items } = await client.request(uri, position, token, InlineCompletionTriggerKind.Automatic);
    if (token.isCancellationRequested) return { kind: "cancelled" };
    const [item] = items;
    // The last trace belongs to this request, because no other request was sent before the answer.
    const trace = await client.trace();
    const isOwn = trace?.uri === uri && isDeepStrictEqual(trace.position, position);
    const text = item === undefined ? "" : addedText(item, position, suffix);
    return { kind: "answered", text, trace: isOwn ? trace : undefined };
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
