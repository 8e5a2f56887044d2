// The sidecar's entry: an LSP 3.18 server on standard input and output.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import * as v from "valibot";
import { createConnection, ProposedFeatures, StreamMessageWriter } from "vscode-languageserver/node";
import { errorStack } from "./host/errors";
import { packagedLocations } from "./host/locations";
import { standardErrorLog } from "./host/log";
import { moveToRoot } from "./host/working-folder";
import { lifecycle } from "./server/connection/lifecycle";
import { LspMessageReader } from "./server/connection/message-reader";
import { createServer } from "./server/server";

/** Maximum milliseconds to write pending data after the client has gone. */
const exitTimeoutMs = 2000;

if (process.stdin.isTTY) {
  standardErrorLog.info(
    "This is a language server, which waits for an editor's messages on standard input. Press Ctrl+C to end it. The command line is dist/cli.js.",
  );
}
moveToRoot();
// Standard output is for the protocol, so output of libraries goes to standard error.
console.log = console.error;
console.info = console.error;
console.debug = console.error;

const { name, version } = v.parse(
  v.object({ name: v.string(), version: v.string() }),
  JSON.parse(readFileSync(resolve(__dirname, "..", "package.json"), "utf8")),
);

const writer = new StreamMessageWriter(process.stdout);
function refuse(id: string | number | null, code: number, message: string): void {
  writer.write(Object.assign({ jsonrpc: "2.0", id, error: { code, message } })).catch(() => {
    // The client no longer reads. The closed stream ends the process.
  });
}
const reader = new LspMessageReader(
  process.stdin,
  (id, code, message) => {
    standardErrorLog.warn(`Malformed input: ${message}`);
    // JSON-RPC 2.0, section 5: the answer to a request whose id cannot be read has the id null.
    refuse(id, code, message);
  },
  (reason) => void leave(65, `Standard input is not an LSP stream: ${reason}; exiting.`),
);
const connection = createConnection(ProposedFeatures.all, reader, writer, { messageStrategy: lifecycle(refuse) });
const server = createServer(connection, packagedLocations(__dirname), { name, version });

let leaving = false;
/** Exit codes as in BSD's sysexits.h: 65 the input is wrong, 70 an error of the program. */
async function leave(code: number, reason: string): Promise<void> {
  if (leaving) return;
  leaving = true;
  if (code !== 0) standardErrorLog.warn(reason);
  const deadline = setTimeout(() => process.exit(code), exitTimeoutMs);
  await server.dispose();
  clearTimeout(deadline);
  process.exit(code);
}

// An editor that crashes closes standard input.
const inputClosed = (): void =>
  void leave(server.shutDown ? 0 : 1, "Standard input was closed without shutdown and exit; exiting.");
process.stdin.on("end", inputClosed);
process.stdin.on("close", inputClosed);
// A client may close standard error, which does not end the process.
process.stderr.on("error", () => {});
process.stdout.on("error", () => void leave(1, "Standard output cannot be written any more; exiting."));
// Node.js would open its debugger on a socket, through which any user of this machine could run code.
process.on("SIGUSR1", () => {});
process.on("SIGTERM", () => void leave(0, ""));
process.on("SIGINT", () => void leave(0, ""));
process.on("unhandledRejection", (reason) => {
  standardErrorLog.error(`Unhandled promise rejection: ${errorStack(reason)}`);
});
process.on("uncaughtException", (error) => {
  void leave(
    70,
    `Unexpected error, exiting so that the client can restart the server: ${error.stack ?? error.message}`,
  );
});

connection.listen();
