// The folders that are open, and their comings and goings.
import { basename } from "node:path";
import { pathToFileURL } from "node:url";
import type { Connection, InitializeParams } from "vscode-languageserver/node";
import type { Log } from "../host/log";
import { type Folder, filePath } from "../host/paths";
import type { Client } from "./client-capabilities";

export class WorkspaceFolders {
  readonly #connection: Connection;
  readonly #log: Log;
  #folders: readonly Folder[] = [];

  constructor(connection: Connection, log: Log) {
    this.#connection = connection;
    this.#log = log;
  }

  /** Folders on this machine's disk; others (e.g. of a virtual file system) cannot be read and are left out with a log line. */
  get folders(): readonly Folder[] {
    return this.#folders;
  }

  /** `workspaceFolders`, or the older `rootUri` and `rootPath` where a client has nothing newer. */
  initialize(params: InitializeParams): void {
    const { workspaceFolders, rootUri, rootPath } = params;
    if (Array.isArray(workspaceFolders)) this.#folders = this.#readable(workspaceFolders);
    else if (typeof rootUri === "string") this.#folders = this.#readable([{ uri: rootUri, name: basename(rootUri) }]);
    else if (typeof rootPath === "string") {
      this.#folders = this.#readable([{ uri: pathToFileURL(rootPath).href, name: basename(rootPath) }]);
    }
  }

  start(client: Client, onChange: () => void): void {
    if (!client.hasWorkspaceFolders) return;
    this.#connection.workspace.onDidChangeWorkspaceFolders(({ added, removed }) => {
      const gone = new Set(removed.map(({ uri }) => uri));
      const kept = this.#folders.filter(({ uri }) => !gone.has(uri));
      const known = new Set(kept.map(({ uri }) => uri));
      this.#folders = [...kept, ...this.#readable(added).filter(({ uri }) => !known.has(uri))];
      onChange();
    });
  }

  #readable(folders: readonly Folder[]): Folder[] {
    return folders.filter((folder) => {
      if (filePath(folder.uri) !== undefined) return true;
      this.#log.warn(`Folder ${folder.uri}: expected a file:// address; it is not indexed.`);
      return false;
    });
  }
}
