// The recorded entries of a folder's files: by path once they are listed, before that by the digests of the store.
import { Yielder } from "../host/yield";
import { type FileEntry, parseEntry, serializeEntry } from "./file-entry";
import { nameKey } from "./store/keys";
import type { Store } from "./store/store";

/** Every change is written to the store. */
export class KnownFiles {
  private readonly entries = new Map<string, FileEntry>();

  private constructor(
    private readonly folder: string,
    private readonly store: Store | undefined,
    /** Entries of the store, by digest, of files that have not been requested since the start. */
    private readonly stored: Map<string, FileEntry>,
  ) {}

  /** @param version entries of another version are deleted */
  static async open(folder: string, version: string, store: Store | undefined): Promise<KnownFiles> {
    const stored = new Map<string, FileEntry>();
    const yielder = new Yielder();
    for (const [key, text] of (await store?.openFolder(folder, version)) ?? []) {
      const entry = parseEntry(text);
      if (entry !== undefined) stored.set(key, { ...entry, place: stored.size });
      if (yielder.isDue) await yielder.yieldIfDue();
    }
    return new KnownFiles(folder, store, stored);
  }

  /** Paths of the files that were requested or set. */
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

  /** Records a file. The vectors of its fragments must be stored before. */
  set(path: string, entry: FileEntry): void {
    if (this.get(path) === entry) return;
    this.entries.set(path, entry);
    const keys = entry.fragments.map(({ key }) => key);
    this.store?.record(this.folder, nameKey(path), { text: serializeEntry(entry), keys });
  }

  /** Removes a file. @param erase see {@link Store.remove} */
  delete(path: string, erase: boolean): void {
    if (this.get(path) === undefined) return;
    this.entries.delete(path);
    this.store?.remove(this.folder, nameKey(path), erase);
  }

  /** Deletes the entries of files that were not requested since the start: they do not exist any more. */
  eraseUnrequested(): void {
    for (const key of this.stored.keys()) this.store?.remove(this.folder, key, true);
    this.stored.clear();
  }

  /** Removes everything from memory; the store stays as it is. */
  clear(): void {
    this.entries.clear();
    this.stored.clear();
  }
}
