// What is known of a folder's files: by path once they are listed, before that by the digests under which the store holds them.

import { Pace } from "../host/yield";
import { type FileEntry, parseEntry, serializeEntry } from "./file-entry";
import { nameKey } from "./store/keys";
import type { Store } from "./store/store";

/** Keeps the store in step. */
export class KnownFiles {
  private readonly entries = new Map<string, FileEntry>();

  private constructor(
    private readonly folder: string,
    private readonly store: Store | undefined,
    /** What the store knew at the start, by digest, of files that were not asked for yet. */
    private readonly stored: Map<string, FileEntry>,
  ) {}

  /** @param version entries of another one are dropped */
  static async open(folder: string, version: string, store: Store | undefined): Promise<KnownFiles> {
    const stored = new Map<string, FileEntry>();
    const pace = new Pace();
    for (const [key, text] of (await store?.openFolder(folder, version)) ?? []) {
      const entry = parseEntry(text);
      if (entry !== undefined) stored.set(key, { ...entry, place: stored.size });
      if (pace.due) await pace.rest();
    }
    return new KnownFiles(folder, store, stored);
  }

  /** Paths of the files that were asked for or set. */
  get paths(): Iterable<string> {
    return this.entries.keys();
  }

  get(path: string): FileEntry | undefined {
    const known = this.entries.get(path);
    if (known !== undefined || this.stored.size === 0) return known;
    const key = nameKey(path);
    const entry = this.stored.get(key);
    if (entry !== undefined) {
      this.stored.delete(key);
      this.entries.set(path, entry);
    }
    return entry;
  }

  /** Notes what a file is now. The vectors of its fragments must be stored by then. */
  set(path: string, entry: FileEntry): void {
    if (this.get(path) === entry) return;
    this.entries.set(path, entry);
    const keys = entry.fragments.map(({ key }) => key);
    this.store?.record(this.folder, nameKey(path), { text: serializeEntry(entry), keys });
  }

  /** Forgets a file. @param erase see {@link Store.remove} */
  delete(path: string, erase: boolean): void {
    if (this.get(path) === undefined) return;
    this.entries.delete(path);
    this.store?.remove(this.folder, nameKey(path), erase);
  }

  /** Erases what the store knew at the start of files that nobody has asked for: of these not even the paths are known. */
  eraseUnasked(): void {
    for (const key of this.stored.keys()) this.store?.remove(this.folder, key, true);
    this.stored.clear();
  }

  /** Forgets everything here; the store is left as it is. */
  clear(): void {
    this.entries.clear();
    this.stored.clear();
  }
}
