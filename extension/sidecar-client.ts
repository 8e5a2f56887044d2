// The language client of one sidecar process: how it is started, what it is told at the start, and how its output is logged.
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import type { LogOutputChannel } from "vscode";
import {
  CloseAction,
  ErrorAction,
  LanguageClient,
  type Middleware,
  RevealOutputChannelOn,
  TransportKind,
} from "vscode-languageclient/node";
import { type InitializationOptions, sidecarEnvironment } from "../sidecar/protocol";
import { completedSchemes } from "./environment";

export interface SidecarClientOptions {
  /** Path of the sidecar's bundle. */
  readonly module: string;
  readonly log: LogOutputChannel;
  readonly middleware: Middleware;
  /** Asked for at each start. */
  initializationOptions(): InitializationOptions;
  /** The connection closed, in order or not. */
  onClosed(): void;
}

/**
 * The client without its pop-ups: every failed request and every failed start would show one. All of it is in the log, and
 * the session tells the user once.
 */
class QuietLanguageClient extends LanguageClient {
  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }
}

/** Not started yet; restarting a sidecar that ends is the caller's. */
export function createSidecarClient(options: SidecarClientOptions): LanguageClient {
  const { module, log, middleware, initializationOptions, onClosed } = options;
  return new QuietLanguageClient(
    "selfracg",
    "SelfRACG sidecar",
    // `fork` takes the runtime that VS Code itself runs on, so that no Node needs to be installed.
    { module, transport: TransportKind.stdio, options: { cwd: dirname(module), env: sidecarEnvironment } },
    {
      documentSelector: completedSchemes.map((scheme) => ({ scheme })),
      outputChannel: log,
      traceOutputChannel: log,
      revealOutputChannelOn: RevealOutputChannelOn.Never,
      middleware,
      initializationOptions,
      initializationFailedHandler: () => false,
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue, handled: true }),
        closed: () => {
          onClosed();
          return { action: CloseAction.DoNotRestart, handled: true };
        },
      },
      stdioOptions: {
        // Standard output carries the protocol; what native libraries print goes to standard error.
        stdout: () => undefined,
        stderr: (input, channel) => {
          createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY }).on("line", (line) => channel.warn(line));
        },
      },
    },
  );
}
