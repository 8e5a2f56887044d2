// A log channel whose last messages can be read: VS Code has no way to read a channel, and served VS Code leaves context.logUri empty.
import type { LogOutputChannel } from "vscode";
import { errorStack } from "../sidecar/host/errors";

const maxMessages = 200;

/** Levels by the channel's methods, as `LogLevel` counts. Traces are not recorded: they hold the messages of the protocol, and so code. */
const levels: ReadonlyMap<PropertyKey, { readonly name: string; readonly level: number }> = new Map([
  ["debug", { name: "debug", level: 2 }],
  ["info", { name: "info", level: 3 }],
  ["append", { name: "info", level: 3 }],
  ["appendLine", { name: "info", level: 3 }],
  ["warn", { name: "warning", level: 4 }],
  ["error", { name: "error", level: 5 }],
]);

export interface RecordedLog {
  readonly log: LogOutputChannel;
  /** The last messages of the channel's level and above, oldest first, with time and level. */
  readonly messages: readonly string[];
}

export function recordedLog(channel: LogOutputChannel, now: () => number = Date.now): RecordedLog {
  const messages: string[] = [];
  const record = (method: PropertyKey, given: readonly unknown[]): void => {
    const level = levels.get(method);
    if (level === undefined || !isShown(level.level, channel.logLevel)) {
      return;
    }
    const time = new Date(now()).toISOString().replace("T", " ").replace("Z", "");
    messages.push([`${time} [${level.name}]`, ...given.map(textOf)].join(" "));
    if (messages.length > maxMessages) {
      messages.shift();
    }
  };
  const log = new Proxy(channel, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") {
        return member;
      }
      return (...given: unknown[]) => {
        record(name, given);
        return Reflect.apply(member, target, given);
      };
    },
  });
  return { log, messages };
}

/** A log level of 0 is off. */
function isShown(level: number, minimum: number): boolean {
  return minimum !== 0 && level >= minimum;
}

function textOf(value: unknown): string {
  return errorStack(value).trimEnd();
}
