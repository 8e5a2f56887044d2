// The on-disk store of one model's index. Its methods never reject: what cannot be stored is embedded again at the next start.
import { errorMessage } from "../../host/errors";
import type { Quantized } from "../vectors/quantized";
import type { FileChange } from "./database";
import { nameKey } from "./keys";
import type { Answer, Request, StoreOptions } from "./messages";
import { packVectors, unpackVectors, vectorBytes } from "./packed-vectors";
import { StoreThread } from "./store-thread";

interface OpenStoreOptions extends Omit<StoreOptions, "vectorBytes"> {
  readonly dimension: number;
  readonly warn: (message: string) => void;
}

/** What is recorded of a file: its entry as text, and the keys of the vectors that it uses. */
interface StoredEntry {
  readonly text: string;
  readonly keys: readonly string[];
}

const unwritable = "cannot be written: the workspace is embedded again at the next start";

/** Holds neither source text nor paths: files and folders are identified by digests. */
export class Store {
  private total = 0;
  /** What is written next. Everything that is added during a write goes into one transaction. */
  private vectorsToWrite = new Map<string, Quantized>();
  private changesToWrite = new Map<string, FileChange>();
  private writing: Promise<void> | undefined;
  private readonly warned = new Set<string>();

  private constructor(
    private readonly thread: StoreThread,
    private readonly options: OpenStoreOptions,
  ) {}

  /** @throws Error when there is no store and none can be made */
  static async open(options: OpenStoreOptions): Promise<Store> {
    const { storagePath, modelHash, dimension, warn } = options;
    const thread = await StoreThread.start({ storagePath, modelHash, vectorBytes: vectorBytes(dimension) }, warn);
    return new Store(thread, options);
  }

  /** The same; returns undefined, after a warning, when there is no store and none can be made. */
  static async openOrWarn(options: OpenStoreOptions): Promise<Store | undefined> {
    try {
      return await Store.open(options);
    } catch (error) {
      options.warn(
        `The index cannot be stored in ${options.storagePath} (${errorMessage(error)}): the workspace is embedded again at every start. Choose a folder that can be written.`,
      );
      return undefined;
    }
  }

  /** Bytes of all stores in the storage folder, as measured last. */
  get bytes(): number {
    return this.total;
  }

  /** The entries of a folder (URI) that were recorded under this version, by the digests of the files' paths. */
  async openFolder(folder: string, version: string): Promise<Map<string, string>> {
    const answer = await this.ask({ kind: "openFolder", key: nameKey(folder), version }, "cannot be read");
    return new Map(answer?.kind === "files" ? answer.files.map(({ path, entry }) => [path, entry]) : []);
  }

  /** The vectors with these keys that are stored. */
  async vectors(keys: readonly string[]): Promise<Map<string, Quantized>> {
    if (keys.length === 0) return new Map();
    const answer = await this.ask({ kind: "vectors", keys }, "cannot be read");
    return answer?.kind === "vectors" ? unpackVectors(keys, answer, this.options.dimension) : new Map();
  }

  /** Claims these keys: this process is going to embed them, so that others need not. @returns the keys that another process has claimed */
  async claim(keys: readonly string[]): Promise<ReadonlySet<string>> {
    const answer = await this.ask({ kind: "claim", keys }, unwritable);
    return new Set(answer?.kind === "claimed" ? answer.keys : []);
  }

  /** Adds vectors to store, without waiting until they are stored. */
  putVectors(vectors: ReadonlyMap<string, Quantized>): void {
    for (const [key, vector] of vectors) this.vectorsToWrite.set(key, vector);
    void this.written();
  }

  /** Records a file, after its vectors. @param pathKey digest of its path relative to the folder */
  record(folder: string, pathKey: string, { text, keys }: StoredEntry): void {
    this.change({ folder: nameKey(folder), path: pathKey, entry: text, keys, erase: keys.length === 0 });
  }

  /**
   * Removes a file that was deleted or is excluded.
   * @param erase whether its vectors are deleted at once; else they are deleted later, because deleted files often come back
   */
  remove(folder: string, pathKey: string, erase: boolean): void {
    this.change({ folder: nameKey(folder), path: pathKey, entry: undefined, keys: [], erase });
  }

  /** Resolves when everything added by now is on disk, or cannot be written. */
  written(): Promise<void> {
    this.writing ??= this.writeAll();
    return this.writing;
  }

  /** The same, and measures the store. */
  async flush(): Promise<void> {
    await this.written();
    await this.measured({ kind: "measure" }, "cannot be measured");
  }

  /** Deletes what was not used for long, and reduces all stores to `maxBytes`. */
  async tidy(maxBytes: number): Promise<void> {
    await this.written();
    await this.measured({ kind: "tidy", maxBytes }, "cannot be tidied: it is tried again after the next indexing");
  }

  /** Deletes everything, of other models too. */
  async clear(): Promise<void> {
    await this.written();
    await this.measured({ kind: "clear" }, "cannot be cleared");
  }

  async close(): Promise<void> {
    await this.written();
    await this.thread.close().catch(() => {});
  }

  private change(change: FileChange): void {
    this.changesToWrite.set(`${change.folder} ${change.path}`, change);
    void this.written();
  }

  private async writeAll(): Promise<void> {
    // Everything that is added in one synchronous run is written together.
    await Promise.resolve();
    while (this.vectorsToWrite.size + this.changesToWrite.size > 0) {
      const vectors = packVectors(this.vectorsToWrite, this.options.dimension);
      const changes = [...this.changesToWrite.values()];
      this.vectorsToWrite = new Map();
      this.changesToWrite = new Map();
      await this.ask({ kind: "write", vectors, changes }, unwritable);
    }
    this.writing = undefined;
  }

  private async measured(request: Request, failure: string): Promise<void> {
    const answer = await this.ask(request, failure);
    if (answer?.kind === "measure") this.total = answer.bytes;
  }

  /** @returns undefined when it fails, with one warning for each kind of failure */
  private async ask(request: Request, failure: string): Promise<Answer | undefined> {
    try {
      return await this.thread.ask(request);
    } catch (error) {
      if (!this.warned.has(failure))
        this.options.warn(`The index in ${this.options.storagePath} ${failure} (${errorMessage(error)}).`);
      this.warned.add(failure);
      return undefined;
    }
  }
}
