// Inserts files into the index, removes and excludes them, and records the result in the store.
import { dirname } from "node:path";
import { Yielder } from "../host/yield";
import { type FileEntry, type KeyedFragment, unsavedSize } from "./file-entry";
import type { ExclusionReason } from "./files/exclusion";
import type { FolderState } from "./folder-state";
import type { FragmentTable } from "./fragment-table";
import type { Quantized } from "./vectors/quantized";
import type { FolderPath } from "./workspace-folders";

/** A file on its way into the index. */
export interface FileToInsert extends FolderPath {
  readonly entry: FileEntry;
  /** When it was read, by {@link FolderState.nextTime}. */
  readonly time: number;
  readonly fragments: readonly KeyedFragment[];
}

/** Reasons that may be gone the next time: what is stored of such a file may be of use again. */
const temporary: ReadonlySet<ExclusionReason> = new Set(["unreadable", "deleted meanwhile", "index full"]);

export class IndexedFiles {
  constructor(
    private readonly table: FragmentTable,
    private readonly maxFragments: () => number,
  ) {}

  /**
   * Inserts a file in the place of what the index held of it, unless it has changed since it was read.
   * @param vectors by key, of all its fragments
   */
  insert({ folder, path, entry, time, fragments }: FileToInsert, vectors: ReadonlyMap<string, Quantized>): void {
    if (folder.hasChangedSince(path, time) || !folder.isOpen) return;
    folder.markChanged(path, time);
    const former = folder.indexed.get(path);
    if (this.table.size - (former?.ids.length ?? 0) + fragments.length > this.maxFragments()) {
      this.exclude(folder, path, "index full");
      return;
    }
    const ids = this.table.replace(former, { uri: folder.uriOf(path), path }, fragments, vectors);
    folder.indexed.set(path, { entry, ids });
    folder.excluded.delete(path);
    record(folder, path, entry);
  }

  /** Removes a file's fragments from memory. What is stored of it stays. */
  remove(folder: FolderState, path: string): void {
    const file = folder.indexed.get(path);
    folder.markChanged(path, folder.nextTime());
    if (file === undefined) return;
    folder.indexed.delete(path);
    this.table.remove(file.ids);
  }

  /** Removes all files of a folder from memory. */
  async removeAll(folder: FolderState): Promise<void> {
    const yielder = new Yielder();
    for (const path of [...folder.indexed.keys()]) {
      this.remove(folder, path);
      await yielder.yieldIfDue();
    }
  }

  /** Removes a file that was deleted, or all below a folder that was, from memory and from the store. */
  removeBelow(folder: FolderState, path: string): void {
    folder.forgetRules(path);
    for (const each of [...folder.indexed.keys(), ...folder.excluded.keys()]) {
      if (each !== path && !each.startsWith(`${path}/`)) continue;
      this.remove(folder, each);
      folder.excluded.delete(each);
      folder.known.delete(each, false);
    }
    folder.markChanged(path, folder.nextTime());
  }

  /**
   * Removes a file from the index and counts it as excluded, unless it has changed since `time`.
   * @param options.entry the file as it was read, where its content is the reason: recorded, so that it is not read again
   */
  exclude(
    folder: FolderState,
    path: string,
    reason: ExclusionReason,
    { entry, time = folder.nextTime() }: { readonly entry?: FileEntry; readonly time?: number } = {},
  ): void {
    if (folder.hasChangedSince(path, time)) return;
    this.remove(folder, path);
    if (reason === "deleted meanwhile") folder.excluded.delete(path);
    else folder.excluded.set(path, reason);
    // What could not be read may be readable the next time.
    if (reason === "unreadable" || reason === "deleted meanwhile" || entry === undefined)
      folder.known.delete(path, !temporary.has(reason));
    else record(folder, path, entry);
  }

  /** Excludes a path by a rule, with the file or folder `at` that the rule names; a folder counts once. */
  excludeByRule(folder: FolderState, path: string, { at, reason }: { at: string; reason: ExclusionReason }): void {
    this.remove(folder, path);
    folder.known.delete(path, true);
    this.exclude(folder, at, reason);
  }
}

/** Whether a rule excludes the path, or a folder above it, so that nothing of it may stay in the store. */
export function isExcludedByRule(path: string, excluded: ReadonlyMap<string, ExclusionReason>): boolean {
  for (let at = path; at !== "." && at !== ""; at = dirname(at)) {
    const reason = excluded.get(at);
    if (reason !== undefined) return !temporary.has(reason);
  }
  return false;
}

function record(folder: FolderState, path: string, entry: FileEntry): void {
  // Unsaved text says nothing about the file on disk.
  if (entry.size === unsavedSize || !folder.isOpen) return;
  // On a disk that stores times in whole seconds, a change within the second of the reading would not be noticed: such a
  // file is read again.
  if (entry.modified % 1000 === 0 && Date.now() - entry.modified < 2000) return;
  folder.known.set(path, entry);
}
