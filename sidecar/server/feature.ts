// A feature of the server, with the three moments of a server's life, and what it may ask of the client.
import type { ClientCapabilities, InitializeParams, ServerCapabilities } from "vscode-languageserver/node";

export interface Feature {
  /** The client has sent `initialize`. @returns what the feature adds to the server's capabilities */
  initialize?(params: InitializeParams): ServerCapabilities | undefined;
  /** The client has sent `initialized`: from here on it may be sent requests and notifications. */
  initialized?(client: Client): void | Promise<void>;
  /** Ends all work and writes what is not yet written. Calls after the first do nothing. */
  dispose?(): void | Promise<void>;
}

/** The client's capabilities that this server uses. */
export interface Client {
  readonly pullsConfiguration: boolean;
  readonly registersConfiguration: boolean;
  readonly registersWatchedFiles: boolean;
  readonly hasWorkspaceFolders: boolean;
}

export function clientOf(capabilities: ClientCapabilities | undefined): Client {
  const workspace = capabilities?.workspace;
  return {
    pullsConfiguration: workspace?.configuration === true,
    registersConfiguration: workspace?.didChangeConfiguration?.dynamicRegistration === true,
    registersWatchedFiles: workspace?.didChangeWatchedFiles?.dynamicRegistration === true,
    hasWorkspaceFolders: workspace?.workspaceFolders === true,
  };
}
