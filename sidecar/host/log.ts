// The log: levelled lines on standard error.

/** What a room needs to speak. Standard output belongs to the protocol, so nothing here writes to it. */
export interface Log {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
}

/** Lines `[level] message` on standard error; `debug` only where `SELFRACG_LOG=debug` asks for it. */
export const standardErrorLog: Log = {
  debug: (message) => {
    if (process.env.SELFRACG_LOG === "debug") write("debug", message);
  },
  info: (message) => write("info", message),
  warn: (message) => write("warn", message),
  error: (message) => write("error", message),
};

/** Warnings and errors only: for the command line, whose reader wants the answer. */
export const quietLog: Log = {
  debug: standardErrorLog.debug,
  info: standardErrorLog.debug,
  warn: standardErrorLog.warn,
  error: standardErrorLog.error,
};

function write(level: string, message: string): void {
  process.stderr.write(`[${level}] ${message}\n`);
}
