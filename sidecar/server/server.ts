// The language server: answers `initialize` at once and takes every feature through the server's life.
import {
  type Connection,
  ErrorCodes,
  type InitializeError,
  type InitializeResult,
  ResponseError,
  type ServerCapabilities,
} from "vscode-languageserver/node";
import { errorMessage } from "../host/errors";
import type { Locations } from "../host/locations";
import { type Log, standardErrorLog } from "../host/log";
import { withoutControls } from "../host/printable";
import { type Client, clientOf } from "./feature";
import { createFeatures } from "./features";

interface ServerInfo {
  readonly name: string;
  readonly version: string;
}

interface Server {
  /** Whether the client has asked for an orderly end. */
  readonly shutDown: boolean;
  /** Stops work and writes what is not yet written. Never rejects. */
  dispose(): Promise<void>;
}

/** Registers every feature on `connection`; the caller begins to listen. */
export function createServer(connection: Connection, locations: Locations, serverInfo: ServerInfo): Server {
  const log = connectionLog(connection);
  const features = createFeatures(connection, locations, log);
  let client: Client | undefined;
  let ending: Promise<void> | undefined;
  let shutDown = false;

  const end = async (): Promise<void> => {
    // Features build on the ones before them.
    for (const feature of features.toReversed()) {
      try {
        await feature.dispose?.();
      } catch (error) {
        log.error(`The server could not be ended in good order: ${errorMessage(error)}`);
      }
    }
  };
  const dispose = (): Promise<void> => {
    ending ??= end();
    return ending;
  };

  connection.onInitialize((params): InitializeResult | ResponseError<InitializeError> => {
    if (client !== undefined)
      return new ResponseError(ErrorCodes.InvalidRequest, "initialize was already received; it is sent once.", {
        retry: false,
      });
    client = clientOf(params.capabilities);
    const capabilities: ServerCapabilities = {};
    for (const feature of features) Object.assign(capabilities, feature.initialize?.(params));
    return { serverInfo, capabilities };
  });

  connection.onInitialized(async () => {
    if (client === undefined) return;
    for (const feature of features) await feature.initialized?.(client);
  });

  connection.onShutdown(async () => {
    shutDown = true;
    await dispose();
  });

  return {
    get shutDown() {
      return shutDown;
    },
    dispose,
  };
}

/** `window/logMessage` at the message's level; errors also on standard error, which outlives a broken connection. */
function connectionLog(connection: Connection): Log {
  return {
    debug: (message) => connection.console.debug(withoutControls(message)),
    info: (message) => connection.console.info(withoutControls(message)),
    warn: (message) => connection.console.warn(withoutControls(message)),
    error: (message) => {
      connection.console.error(withoutControls(message));
      standardErrorLog.error(message);
    },
  };
}
