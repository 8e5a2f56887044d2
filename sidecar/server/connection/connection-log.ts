// The log of a server: levelled lines to the client's log channel, errors on standard error as well.
import type { Connection } from "vscode-languageserver/node";
import { type Log, standardErrorLog } from "../../host/log";

/** `window/logMessage` at the message's level; errors also on standard error, which outlives a broken connection. */
export function connectionLog(connection: Connection): Log {
  return {
    debug: (message) => connection.console.debug(message),
    info: (message) => connection.console.info(message),
    warn: (message) => connection.console.warn(message),
    error: (message) => {
      connection.console.error(message);
      standardErrorLog.error(message);
    },
  };
}
