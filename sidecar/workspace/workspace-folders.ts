// The workspace folders that are open: which they are, and in which of them a file lies.
import { sep } from "node:path";
import { filePath } from "../host/paths";
import type { IndexCounts } from "../protocol";
import { type ExcludeSettings, noExcludes } from "./files/exclude-settings";
import { FolderState } from "./folder-state";
import { KnownFiles } from "./known-files";
import type { Store } from "./store/store";

export interface WorkspaceFolder {
  readonly uri: string;
  readonly name: string;
  /** Settings that exclude files of this folder. */
  readonly excludes?: ExcludeSettings;
}

/** A file or folder inside a workspace folder. `path` is relative to it, with `/`; `""` for the folder itself. */
export interface FolderPath {
  readonly folder: FolderState;
  readonly path: string;
}

interface SetFoldersOptions {
  readonly store: Store | undefined;
  /** Version of what decides on the content of a file; what was recorded under another is dropped. */
  readonly version: string;
}

export class WorkspaceFolders {
  private folders: readonly FolderState[] = [];

  get all(): readonly FolderState[] {
    return this.folders;
  }

  /** Files that are indexed, and those that are not by the reason. */
  counts(): Pick<IndexCounts, "files" | "excluded"> {
    const byReason: Record<string, number> = {};
    let files = 0;
    for (const { indexed, excluded } of this.folders) {
      files += indexed.size;
      for (const reason of excluded.values()) byReason[reason] = (byReason[reason] ?? 0) + 1;
    }
    return { files, excluded: byReason };
  }

  /** Closes the folders that are no longer named, and returns them. */
  close(remaining: readonly WorkspaceFolder[]): FolderState[] {
    const uris = new Set(remaining.map(({ uri }) => uri));
    const closed = this.folders.filter(({ uri }) => !uris.has(uri));
    for (const folder of closed) folder.isOpen = false;
    this.folders = this.folders.filter(({ isOpen }) => isOpen);
    return closed;
  }

  /** Opens the folders that are not open yet, and gives the others their settings. Those not on this machine are ignored. */
  async open(folders: readonly WorkspaceFolder[], { store, version }: SetFoldersOptions): Promise<void> {
    for (const { uri, excludes = noExcludes } of folders) {
      const known = this.folders.find((folder) => folder.uri === uri);
      if (known !== undefined) {
        known.excludes = excludes;
        continue;
      }
      const root = rootPath(uri);
      // The same folder under another form of its address: its files are indexed once.
      if (root === undefined || this.folders.some((folder) => folder.root === root)) continue;
      const files = await KnownFiles.open(uri, version, store);
      this.folders = [...this.folders, new FolderState(uri, root, files, excludes)];
    }
  }

  /** The innermost workspace folder that holds the file, and its path there; undefined when none does. */
  locate(uri: string): FolderPath | undefined {
    const file = rootPath(uri);
    if (file === undefined) return undefined;
    let found: FolderPath | undefined;
    for (const folder of this.folders) {
      const path = folder.pathOf(file);
      if (path !== undefined && folder.root.length > (found?.folder.root.length ?? -1)) found = { folder, path };
    }
    return found;
  }

  /** The same, and for the address of a workspace folder that folder itself. */
  locateAny(uri: string): FolderPath | undefined {
    const root = rootPath(uri);
    const folder = this.folders.find((each) => each.root === root);
    return folder === undefined ? this.locate(uri) : { folder, path: "" };
  }

  /** Paths in `folder` of the workspace folders that lie inside it. */
  nestedIn(folder: FolderState): Set<string> {
    const paths = this.folders.map(({ root }) => folder.pathOf(root));
    return new Set(paths.filter((path) => path !== undefined));
  }
}

/** The path on this machine, with no separator at its end; undefined for anything but a `file:` URI. */
function rootPath(uri: string): string | undefined {
  const path = filePath(uri);
  return path !== undefined && path.length > 1 && path.endsWith(sep) ? path.slice(0, -1) : path;
}
