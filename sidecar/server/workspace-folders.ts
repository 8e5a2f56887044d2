// The workspace folders that are open in the client.
import { basename, isAbsolute } from "node:path";
import { pathToFileURL } from "node:url";
import type { Connection, InitializeParams, ServerCapabilities } from "vscode-languageserver/node";
import type { Log } from "../host/log";
import { type Folder, filePath, uriPath } from "../host/paths";
import type { Client, Feature } from "./feature";

export class WorkspaceFolders implements Feature {
  private current: readonly Folder[] = [];
  private readonly listeners: (() => void)[] = [];

  constructor(
    private readonly connection: Connection,
    private readonly log: Log,
  ) {}

  /** Folders on this machine's disk; others (e.g. of a virtual file system) cannot be read and are left out with a log line. */
  get folders(): readonly Folder[] {
    return this.current;
  }

  /** `workspaceFolders`, or the older `rootUri` and `rootPath` where a client has nothing newer. An empty `rootPath` means no folder. */
  initialize(params: InitializeParams): ServerCapabilities {
    const { workspaceFolders, rootUri, rootPath } = params;
    if (Array.isArray(workspaceFolders)) this.current = this.readable(workspaceFolders);
    else if (typeof rootUri === "string") this.current = this.readable([{ uri: rootUri, name: basename(rootUri) }]);
    else if (typeof rootPath === "string" && isAbsolute(rootPath)) {
      this.current = this.readable([{ uri: pathToFileURL(rootPath).href, name: basename(rootPath) }]);
    }
    return { workspace: { workspaceFolders: { supported: true, changeNotifications: true } } };
  }

  /** Called when folders were added or removed. */
  onChange(listener: () => void): void {
    this.listeners.push(listener);
  }

  initialized(client: Client): void {
    if (!client.hasWorkspaceFolders) return;
    this.connection.workspace.onDidChangeWorkspaceFolders(({ added, removed }) => {
      const gone = new Set(removed.map(({ uri }) => uri));
      const rest = this.current.filter(({ uri }) => !gone.has(uri));
      const known = new Set(rest.map(({ uri }) => uri));
      this.current = [...rest, ...this.readable(added).filter(({ uri }) => !known.has(uri))];
      for (const listener of this.listeners) listener();
    });
  }

  private readable(folders: readonly Folder[]): Folder[] {
    return folders.filter((folder) => {
      if (filePath(folder.uri) !== undefined && uriPath(folder.uri) !== "") return true;
      this.log.warn(`Folder ${folder.uri}: expected a file:// address with a path; it is not indexed.`);
      return false;
    });
  }
}
