// The log: lines with a level on standard error.

import { withoutControls } from "./printable";

/** Nothing is written to standard output, which is for the protocol. */
export interface Log {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** Lines `[level] message` on standard error; `debug` only with `SELFRACG_LOG=debug`. */
export const standardErrorLog: Log = {
  debug: (message) => {
    if (process.env.SELFRACG_LOG === "debug") write("debug", message);
  },
  info: (message) => write("info", message),
  warn: (message) => write("warn", message),
  error: (message) => write("error", message),
};

/** Warnings and errors only, for the command line. */
export const quietLog: Log = {
  debug: standardErrorLog.debug,
  info: standardErrorLog.debug,
  warn: standardErrorLog.warn,
  error: standardErrorLog.error,
};

function write(level: string, message: string): void {
  process.stderr.write(`[${level}] ${withoutControls(message)}\n`);
}
