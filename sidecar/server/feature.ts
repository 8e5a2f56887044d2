// A feature of the server, with the three moments of a server's life.
import type { InitializeParams, ServerCapabilities } from "vscode-languageserver/node";
import type { Client } from "./connection/client-capabilities";

export interface Feature {
  /** The client has sent `initialize`. @returns what the feature adds to the server's capabilities */
  initialize?(params: InitializeParams): ServerCapabilities | undefined;
  /** The client has sent `initialized`: from here on it may be sent requests and notifications. */
  initialized?(client: Client): void | Promise<void>;
  /** Ends all work and writes what is not yet written. Calls after the first do nothing. */
  dispose?(): void | Promise<void>;
}
