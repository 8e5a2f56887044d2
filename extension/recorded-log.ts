// A log channel that remembers its last messages: VS Code lets nobody read a channel, and keeps no file of it everywhere.

import type { Event, LogLevel, LogOutputChannel, ViewColumn } from "vscode";

/** Messages remembered. */
const most = 200;

/** As `LogLevel` counts; 0 is off. */
const levels = { debug: 2, info: 3, warning: 4, error: 5 } as const;

export class RecordedLog implements LogOutputChannel {
  private readonly recorded: string[] = [];

  constructor(
    private readonly channel: LogOutputChannel,
    private readonly now: () => number = Date.now,
  ) {}

  /** The last messages of the channel's level and above, but for traces; oldest first, with time and level. */
  get messages(): readonly string[] {
    return this.recorded;
  }

  get name(): string {
    return this.channel.name;
  }

  get logLevel(): LogLevel {
    return this.channel.logLevel;
  }

  get onDidChangeLogLevel(): Event<LogLevel> {
    return this.channel.onDidChangeLogLevel;
  }

  /** Not remembered: at this level the messages between editor and sidecar are logged, with the code in them. */
  trace(message: string, ...more: unknown[]): void {
    this.channel.trace(message, ...more);
  }

  debug(message: string, ...more: unknown[]): void {
    this.record("debug", message, more);
    this.channel.debug(message, ...more);
  }

  info(message: string, ...more: unknown[]): void {
    this.record("info", message, more);
    this.channel.info(message, ...more);
  }

  warn(message: string, ...more: unknown[]): void {
    this.record("warning", message, more);
    this.channel.warn(message, ...more);
  }

  error(error: string | Error, ...more: unknown[]): void {
    this.record("error", error instanceof Error ? (error.stack ?? error.message) : error, more);
    this.channel.error(error, ...more);
  }

  append(value: string): void {
    this.record("info", value, []);
    this.channel.append(value);
  }

  appendLine(value: string): void {
    this.record("info", value, []);
    this.channel.appendLine(value);
  }

  replace(value: string): void {
    this.channel.replace(value);
  }

  clear(): void {
    this.channel.clear();
  }

  show(column?: ViewColumn | boolean, preserveFocus?: boolean): void {
    this.channel.show(typeof column === "boolean" ? column : preserveFocus);
  }

  hide(): void {
    this.channel.hide();
  }

  dispose(): void {
    this.channel.dispose();
  }

  private record(level: keyof typeof levels, message: string, more: readonly unknown[]): void {
    const least: number = this.channel.logLevel;
    if (least === 0 || levels[level] < least) {
      return;
    }
    const time = new Date(this.now()).toISOString().replace("T", " ").replace("Z", "");
    this.recorded.push([`${time} [${level}]`, message.trimEnd(), ...more.map(String)].join(" "));
    if (this.recorded.length > most) {
      this.recorded.shift();
    }
  }
}
