// The sidecar's life: start, restart with back-off, end; its status and the trace of its last completion.
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import {
  type CancellationToken,
  type Disposable,
  EventEmitter,
  type ExtensionContext,
  window,
  workspace,
} from "vscode";
import { type LanguageClient, type Middleware, WorkDoneProgress } from "vscode-languageclient/node";
import { errorMessage } from "../sidecar/host/errors";
import {
  type CompletionTrace,
  type IndexCounts,
  type InitializationOptions,
  messages,
  type ServerCommand,
  type SidecarStatus,
  serverCommands,
} from "../sidecar/protocol";
import { type RecordedLog, recordedLog } from "./log";
import { showWarning } from "./notifications";
import { RestartPolicy } from "./restart-policy";
import type { ExtensionSettings } from "./settings";
import { createSidecarClient } from "./sidecar-client";

/** Time that a sidecar has to write its index and to end, in milliseconds. */
const stopTimeoutMs = 5000;

/** One step of a re-index. */
export interface ReindexProgress {
  message?: string;
  /** 0..100, of the whole. */
  percentage?: number;
}

/** Owns at most one sidecar process at a time. Requests while there is none fail. */
export class SidecarSession implements Disposable {
  /** To be filled before {@link start}; every client of the session uses it. */
  readonly middleware: Middleware = {};
  readonly log: RecordedLog["log"];
  /** The last messages of the log, oldest first. */
  readonly logMessages: RecordedLog["messages"];

  private readonly statusEmitter = new EventEmitter<SidecarStatus>();
  private readonly traceEmitter = new EventEmitter<CompletionTrace>();
  private readonly startEmitter = new EventEmitter<void>();
  private readonly policy = new RestartPolicy();
  private readonly subscriptions: Disposable[];
  private current: LanguageClient | undefined;
  private starting: Promise<void> = Promise.resolve();
  private restarting: Promise<void> = Promise.resolve();
  private retry: NodeJS.Timeout | undefined;
  private warned = false;
  private stopped = false;
  private currentStatus: SidecarStatus = { state: "starting", message: "Starting the sidecar." };
  private currentTrace: CompletionTrace | undefined;

  /** Fires at each change of {@link status}. */
  readonly onDidChangeStatus = this.statusEmitter.event;
  /** Fires after each completion, with or without a suggestion. */
  readonly onDidComplete = this.traceEmitter.event;
  /** Fires when a sidecar answers for the first time, before its first status is asked for. */
  readonly onDidStart = this.startEmitter.event;

  constructor(
    private readonly context: ExtensionContext,
    readonly settings: ExtensionSettings,
  ) {
    const { log, messages: logMessages } = recordedLog(window.createOutputChannel("SelfRACG", { log: true }));
    this.log = log;
    this.logMessages = logMessages;
    this.subscriptions = [
      workspace.onDidChangeConfiguration((event) => {
        if (settings.needsRestart(event)) {
          this.log.info("A setting that the sidecar reads at its start has changed.");
          void this.restart();
        }
      }),
      this.statusEmitter,
      this.traceEmitter,
      this.startEmitter,
    ];
  }

  get status(): SidecarStatus {
    return this.currentStatus;
  }

  /** The trace of this window's last completion, if there was one. */
  get trace(): CompletionTrace | undefined {
    return this.currentTrace;
  }

  start(): void {
    this.starting = this.launch();
  }

  /** Ends the sidecar, if there is one, and starts a new one at once. Never rejects. */
  restart(): Promise<void> {
    // One after the other: two at the same time would leave a process that nobody ends.
    this.restarting = this.restarting.then(async () => {
      this.log.info("Restarting the sidecar.");
      this.policy.reset();
      this.warned = false;
      await this.end();
      if (!this.stopped) {
        this.start();
        await this.starting;
      }
    });
    return this.restarting;
  }

  /** Ends the sidecar for good. Never rejects. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.end();
  }

  dispose(): void {
    void this.stop().finally(() => {
      for (const subscription of this.subscriptions) {
        subscription.dispose();
      }
      this.log.dispose();
    });
  }

  /**
   * Reads every workspace folder again.
   *
   * @returns The counts when done, null when cancelled.
   * @throws Error when there is no running sidecar, or with its reason when it fails.
   */
  async reindex(
    onProgress: (progress: ReindexProgress) => void,
    token: CancellationToken,
  ): Promise<IndexCounts | null> {
    const client = this.client();
    const workDoneToken = randomUUID();
    const progress = client.onProgress(WorkDoneProgress.type, workDoneToken, (value) => {
      if (value.kind !== "end") {
        onProgress(value);
      }
    });
    try {
      const { reindex } = serverCommands;
      return await client.sendRequest(reindex.request, { ...reindex.params(), workDoneToken }, token);
    } finally {
      progress.dispose();
    }
  }

  /** Runs one of the sidecar's commands. @throws Error with the sidecar's reason, or as {@link client} */
  async execute<Arguments extends readonly (string | number)[], Result>(
    command: ServerCommand<Arguments, Result>,
    ...given: Arguments
  ): Promise<Result> {
    return this.client().sendRequest(command.request, command.params(...given));
  }

  /** To send requests with. @throws Error while no sidecar runs, with what the status says of it */
  client(): LanguageClient {
    const client = this.current;
    if (client === undefined || !client.isRunning()) {
      throw new Error(`there is no running sidecar (${this.status.message})`);
    }
    return client;
  }

  private async launch(): Promise<void> {
    const module = join(this.context.extensionPath, "dist", "sidecar.js");
    if (!existsSync(module)) {
      const message = `The sidecar is missing: expected ${module}. Install the extension again.`;
      this.log.error(message);
      this.setStatus({ state: "error", message });
      return;
    }
    this.setStatus({ state: "starting", message: "Starting the sidecar." });
    const client = createSidecarClient({
      module,
      log: this.log,
      middleware: this.middleware,
      initializationOptions: () => this.initializationOptions(),
      onClosed: () => this.handleEnd(client, "its connection closed"),
    });
    this.current = client;
    client.onNotification(messages.status, (status) => {
      if (this.current === client) {
        this.setStatus(status);
      }
    });
    client.onNotification(messages.completed, (trace) => {
      this.currentTrace = trace;
      this.traceEmitter.fire(trace);
    });
    try {
      await client.start();
      client.serverProcess?.once("exit", (code, signal) => {
        this.log.info(`Sidecar process ended with ${code === null ? `signal ${signal}` : `exit code ${code}`}.`);
      });
      this.policy.started(Date.now());
      this.log.info(`Sidecar runs as process ${client.serverProcess?.pid ?? "unknown"}.`);
      this.startEmitter.fire();
      const status = await client.sendRequest(messages.getStatus);
      if (this.current === client) {
        this.setStatus(status);
      }
    } catch (error) {
      this.handleEnd(client, errorMessage(error));
    }
  }

  /** Called from wherever the end of a process shows first; only the first call for a client counts. */
  private handleEnd(client: LanguageClient, reason: string): void {
    if (this.current !== client) {
      return;
    }
    this.current = undefined;
    // Also frees what a client holds that was only half started.
    client.dispose().catch((error: unknown) => this.log.debug(`Clearing up after the sidecar: ${errorMessage(error)}`));
    if (this.stopped) {
      return;
    }
    const waitMs = this.policy.failed(Date.now());
    const message = `The sidecar stopped: ${reason}. It is started again in ${waitMs / 1000} s.`;
    this.log.error(message);
    this.setStatus({ state: "error", message });
    this.retry = setTimeout(() => this.start(), waitMs);
    this.warnOnce();
  }

  private warnOnce(): void {
    if (this.warned) {
      return;
    }
    this.warned = true;
    const showLog = "Show Log";
    void showWarning("SelfRACG: the sidecar stopped unexpectedly and is being started again.", showLog).then(
      (choice) => {
        if (choice === showLog) {
          this.log.show();
        }
      },
    );
  }

  private async end(): Promise<void> {
    clearTimeout(this.retry);
    const client = this.current;
    const starting = this.starting;
    this.current = undefined;
    if (client === undefined) {
      return;
    }
    // A client cannot be stopped in order before it has started. One that never starts is killed when it is disposed of.
    await Promise.race([starting, delay(stopTimeoutMs)]);
    try {
      await client.dispose(stopTimeoutMs);
    } catch (error) {
      this.log.warn(`The sidecar did not end in order: ${errorMessage(error)}`);
    }
  }

  private setStatus(status: SidecarStatus): void {
    if (this.stopped) {
      return;
    }
    if (status.state === "error" && status.message !== this.currentStatus.message) {
      this.log.error(status.message);
    }
    this.currentStatus = status;
    this.statusEmitter.fire(status);
  }

  private initializationOptions(): InitializationOptions {
    const { model, executionProvider } = this.settings;
    // Without a folder the workspace has no storage of its own.
    const storage = this.context.storageUri ?? this.context.globalStorageUri;
    return { storagePath: storage.fsPath, executionProvider, ...(model === "" ? {} : { model }) };
  }
}
