// The client's capabilities that this server uses.
import type { ClientCapabilities } from "vscode-languageserver/node";

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
