// An LSP client that starts the real sidecar and acts as the editor, for tests and benchmarks.
import { type ChildProcess, spawn } from "node:child_process";
import { basename } from "node:path";
import { pathToFileURL } from "node:url";
import {
  type CancellationToken,
  createProtocolConnection,
  type InitializeResult,
  type InlineCompletionList,
  InlineCompletionRequest,
  InlineCompletionTriggerKind,
  type Position,
  type ProtocolConnection,
  StreamMessageReader,
  StreamMessageWriter,
} from "vscode-languageserver/node";
import {
  type CompletionTrace,
  defaultSettings,
  type Explanation,
  type IndexCounts,
  type InitializationOptions,
  messages,
  type ServerCommand,
  type Settings,
  type SidecarState,
  type SidecarStatus,
  serverCommands,
} from "../sidecar/protocol";

export function uriOf(path: string): string {
  return pathToFileURL(path).href;
}

export interface ClientOptions {
  /** Path of the bundle. */
  sidecar: string;
  /** Absolute paths of the workspace folders. */
  folders?: readonly string[];
  storagePath?: string;
  settings?: Partial<Record<keyof Settings, unknown>>;
  /** `files.exclude` by folder URI; null, as from a client that has no such setting, for other folders. */
  filesExclude?: Record<string, unknown>;
  initializationOptions?: InitializationOptions;
  capabilities?: object;
  /** Cancels each progress at its first report. */
  cancelProgress?: boolean;
  /** A program with its arguments that runs the sidecar, such as strace. */
  through?: readonly string[];
  /** The sidecar's environment; default: that of this process. */
  env?: NodeJS.ProcessEnv;
}

export interface ProgressNote {
  kind: "begin" | "report" | "end";
  title?: string;
  message?: string;
  percentage?: number;
  cancellable?: boolean;
}

export class SidecarClient {
  readonly process: ChildProcess;
  readonly connection: ProtocolConnection;
  readonly statuses: SidecarStatus[] = [];
  readonly logs: { type: number; message: string }[] = [];
  readonly progress: ProgressNote[] = [];
  readonly registrations: { method: string; registerOptions?: unknown }[] = [];
  readonly exited: Promise<number | NodeJS.Signals>;
  initializeResult: InitializeResult | undefined;
  settings: Record<string, unknown>;
  filesExclude: Record<string, unknown>;
  stderr = "";
  /** Number of requests for the settings. */
  pulls = 0;
  #options: ClientOptions;
  #waiting: (() => void)[] = [];
  #versions = new Map<string, number>();

  constructor(options: ClientOptions) {
    this.#options = options;
    this.settings = { ...defaultSettings, ...options.settings };
    this.filesExclude = options.filesExclude ?? {};
    const [program = "", ...args] = [...(options.through ?? []), process.execPath, options.sidecar, "--stdio"];
    this.process = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"], env: options.env ?? process.env });
    const { stdin, stdout, stderr } = this.process;
    if (stdin === null || stdout === null || stderr === null) throw new Error("The sidecar has no standard streams.");
    stdin.on("error", () => {});
    stderr.on("data", (bytes) => {
      this.stderr += String(bytes);
    });
    this.exited = new Promise((done) => this.process.once("exit", (code, signal) => done(code ?? signal ?? -1)));
    this.connection = createProtocolConnection(new StreamMessageReader(stdout), new StreamMessageWriter(stdin));
    this.connection.onError(() => {});
    this.connection.onNotification(messages.status, (status: SidecarStatus) =>
      this.#note(() => this.statuses.push(status)),
    );
    this.connection.onNotification("window/logMessage", (line: { type: number; message: string }) =>
      this.#note(() => this.logs.push(line)),
    );
    this.connection.onRequest(
      "workspace/configuration",
      ({ items }: { items: { section?: string; scopeUri?: string }[] }) => {
        this.#note(() => (this.pulls += 1));
        return items.map(({ section, scopeUri }) =>
          section === "selfracg"
            ? this.settings
            : section === "files.exclude"
              ? (this.filesExclude[scopeUri ?? ""] ?? null)
              : null,
        );
      },
    );
    this.connection.onRequest(
      "client/registerCapability",
      ({ registrations }) => void this.registrations.push(...registrations),
    );
    this.connection.onRequest("window/workDoneProgress/create", () => null);
    this.connection.onNotification("$/progress", ({ token, value }: { token: string; value: ProgressNote }) => {
      if (options.cancelProgress === true && value.kind === "report")
        void this.connection.sendNotification("window/workDoneProgress/cancel", { token });
      this.#note(() => this.progress.push(value));
    });
    this.connection.listen();
  }

  async initialize(): Promise<void> {
    const { folders = [], storagePath, initializationOptions } = this.#options;
    this.initializeResult = await this.connection.sendRequest<InitializeResult>("initialize", {
      processId: process.pid,
      rootUri: null,
      workspaceFolders: folders.map((path) => ({ uri: uriOf(path), name: basename(path) })),
      capabilities: this.#options.capabilities ?? {
        workspace: {
          configuration: true,
          workspaceFolders: true,
          didChangeConfiguration: { dynamicRegistration: true },
          didChangeWatchedFiles: { dynamicRegistration: true },
        },
        window: { workDoneProgress: true },
        textDocument: { inlineCompletion: {} },
      },
      initializationOptions: { storagePath, ...initializationOptions },
    });
    await this.connection.sendNotification("initialized", {});
  }

  #note(add: () => unknown): void {
    add();
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Waits until `found` returns a value, which is tested after each message; fails when the sidecar ends or after a timeout. */
  async until<T>(what: string, found: () => T | undefined | false, timeoutMs = 240_000): Promise<T> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const value = found();
      if (value !== undefined && value !== false) return value;
      const left = deadline - performance.now();
      if (left <= 0 || this.process.exitCode !== null) {
        const seen = this.statuses.map(({ state, message }) => `${state}: ${message}`).join("\n");
        throw new Error(
          `${what}: not seen (exit code ${this.process.exitCode}).\nStatuses:\n${seen}\nStandard error:\n${this.stderr}`,
        );
      }
      await new Promise<void>((wake) => {
        const timer = setTimeout(wake, Math.min(left, 100));
        this.#waiting.push(() => {
          clearTimeout(timer);
          wake();
        });
      });
    }
  }

  get status(): SidecarStatus | undefined {
    return this.statuses.at(-1);
  }

  async reaches(state: SidecarState, timeoutMs?: number): Promise<SidecarStatus> {
    return this.until(`state ${state}`, () => (this.status?.state === state ? this.status : undefined), timeoutMs);
  }

  async open(uri: string, text: string, languageId = "python"): Promise<void> {
    this.#versions.set(uri, 1);
    await this.connection.sendNotification("textDocument/didOpen", {
      textDocument: { uri, languageId, version: 1, text },
    });
  }

  async insert(uri: string, at: Position, text: string): Promise<void> {
    await this.replace(uri, at, at, text);
  }

  async replace(uri: string, start: Position, end: Position, text: string): Promise<void> {
    const version = (this.#versions.get(uri) ?? 1) + 1;
    this.#versions.set(uri, version);
    await this.connection.sendNotification("textDocument/didChange", {
      textDocument: { uri, version },
      contentChanges: [{ range: { start, end }, text }],
    });
  }

  request(
    uri: string,
    position: Position,
    token?: CancellationToken,
    triggerKind: InlineCompletionTriggerKind = InlineCompletionTriggerKind.Invoked,
  ): Promise<InlineCompletionList> {
    return this.connection.sendRequest(
      InlineCompletionRequest.type,
      {
        textDocument: { uri },
        position,
        context: { triggerKind },
      },
      token,
    ) as Promise<InlineCompletionList>;
  }

  /** Opens `text` (`|` marks the cursor), requests a suggestion and returns it with its trace. */
  async complete(
    uri: string,
    text: string,
    languageId?: string,
  ): Promise<{ list: InlineCompletionList; trace: CompletionTrace }> {
    await this.open(uri, text.replace("|", ""), languageId);
    const list = await this.request(uri, cursorOf(text));
    const trace = await this.trace();
    if (trace === null) throw new Error("No completion was made.");
    return { list, trace };
  }

  trace(): Promise<CompletionTrace | null> {
    return this.connection.sendRequest(messages.trace, {});
  }

  getStatus(): Promise<SidecarStatus> {
    return this.connection.sendRequest(messages.getStatus);
  }

  /** Runs one of the sidecar's commands. */
  execute<Arguments extends readonly (string | number)[], Result>(
    command: ServerCommand<Arguments, Result>,
    ...given: Arguments
  ): Promise<Result> {
    return this.connection.sendRequest(command.request, command.params(...given));
  }

  reindex(): Promise<IndexCounts | null> {
    return this.execute(serverCommands.reindex);
  }

  why(path: string): Promise<Explanation> {
    return this.execute(serverCommands.why, uriOf(path));
  }

  /** Changes settings as an editor does: sends a notification, answers the request for the settings, and waits until they apply. */
  async configure(change: Record<string, unknown>): Promise<void> {
    Object.assign(this.settings, change);
    const pulls = this.pulls;
    await this.connection.sendNotification("workspace/didChangeConfiguration", { settings: null });
    await this.until("configuration being read", () => this.pulls > pulls);
    // Messages are handled in order, so the settings apply when this one is answered.
    await this.getStatus();
  }

  async watched(path: string, type: 1 | 2 | 3): Promise<void> {
    await this.connection.sendNotification("workspace/didChangeWatchedFiles", {
      changes: [{ uri: uriOf(path), type }],
    });
  }

  /** The paths of all fragments found for a new cursor, whether used in the prompt or dropped. */
  async searchable(): Promise<Set<string>> {
    const uri = `untitled:probe-${performance.now()}`;
    const { trace } = await this.complete(uri, "value = |\n");
    return new Set([...trace.fragments, ...trace.dropped].map(({ path }) => path));
  }

  write(bytes: Buffer | string): void {
    this.process.stdin?.write(bytes);
  }

  /** Sends shutdown and exit, and returns the exit code. */
  async close(): Promise<number | NodeJS.Signals> {
    await this.connection.sendRequest("shutdown");
    await this.connection.sendNotification("exit");
    return this.exited;
  }

  kill(): void {
    this.process.kill("SIGKILL");
  }
}

/** The position of `|` in `text`. */
export function cursorOf(text: string): Position {
  const before = text.slice(0, text.indexOf("|"));
  return { line: before.split("\n").length - 1, character: before.length - (before.lastIndexOf("\n") + 1) };
}
