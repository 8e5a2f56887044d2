// The on-disk store of one model's index, for the index to use: it never rejects, and what it cannot do costs time, not the index.

import { errorMessage } from "../../host/errors";
import type { Quantized } from "../vectors/quantized";
import type { FileChange } from "./database";
import { nameKey } from "./keys";
import type { Answer, Request, StoreOptions } from "./messages";
import { packVectors, unpackVectors, vectorBytes } from "./packed-vectors";
import { StoreThread } from "./store-thread";

export interface OpenStoreOptions extends Omit<StoreOptions, "vectorBytes"> {
  readonly dimension: number;
  readonly warn: (message: string) => void;
}

/** What the index remembers of a file, as text of its own, and the vectors that the file uses. */
export interface StoredEntry {
  readonly text: string;
  readonly keys: readonly string[];
}

const unwritable = "cannot be written: it is made anew at the next start";

/** Holds no source text and no path: paths and folders go by their digests. */
export class Store {
  private total = 0;
  /** What is to be written next. What comes while something is written goes together into one transaction. */
  private vectorsToWrite = new Map<string, Quantized>();
  private changesToWrite = new Map<string, FileChange>();
  private writing: Promise<void> | undefined;
  private readonly warned = new Set<string>();

  private constructor(
    private readonly thread: StoreThread,
    private readonly options: OpenStoreOptions,
  ) {}

  /** @throws Error when there is none and none can be made */
  static async open(options: OpenStoreOptions): Promise<Store> {
    const { storagePath, modelHash, dimension, warn } = options;
    const thread = await StoreThread.start({ storagePath, modelHash, vectorBytes: vectorBytes(dimension) }, warn);
    return new Store(thread, options);
  }

  /** The same; without a store, after a warning, when there is none and none can be made. */
  static async openOrWarn(options: OpenStoreOptions): Promise<Store | undefined> {
    try {
      return await Store.open(options);
    } catch (error) {
      options.warn(
        `The index cannot be stored in ${options.storagePath} (${errorMessage(error)}): it is made anew at every start. Choose a folder that can be written.`,
      );
      return undefined;
    }
  }

  /** Bytes of all stores in the storage folder when last looked at. */
  get bytes(): number {
    return this.total;
  }

  /** What was recorded of a folder (URI) under this version, by the digests of the files' paths. */
  async openFolder(folder: string, version: string): Promise<Map<string, string>> {
    const answer = await this.ask({ kind: "openFolder", key: nameKey(folder), version }, "cannot be read");
    return new Map(answer?.kind === "files" ? answer.files.map(({ path, entry }) => [path, entry]) : []);
  }

  /** Those of the vectors that are stored. */
  async vectors(keys: readonly string[]): Promise<Map<string, Quantized>> {
    if (keys.length === 0) return new Map();
    const answer = await this.ask({ kind: "vectors", keys }, "cannot be read");
    return answer?.kind === "vectors" ? unpackVectors(keys, answer, this.options.dimension) : new Map();
  }

  /** Notes that this process embeds these, so that others need not. @returns those that another process embeds already */
  async claim(keys: readonly string[]): Promise<ReadonlySet<string>> {
    const answer = await this.ask({ kind: "claim", keys }, unwritable);
    return new Set(answer?.kind === "claimed" ? answer.keys : []);
  }

  /** Notes vectors to store, without waiting until they are. */
  putVectors(vectors: ReadonlyMap<string, Quantized>): void {
    for (const [key, vector] of vectors) this.vectorsToWrite.set(key, vector);
    void this.written();
  }

  /** Notes what a file is now, after its vectors. @param pathKey digest of its path from the folder */
  record(folder: string, pathKey: string, { text, keys }: StoredEntry): void {
    this.change({ folder: nameKey(folder), path: pathKey, entry: text, keys, erase: keys.length === 0 });
  }

  /**
   * Notes that a file is gone, or is not to be indexed.
   * @param erase whether its vectors go at once; else they are of use for a while, should it come back
   */
  remove(folder: string, pathKey: string, erase: boolean): void {
    this.change({ folder: nameKey(folder), path: pathKey, entry: undefined, keys: [], erase });
  }

  /** Resolves when everything noted by now is on the disk, or cannot be. */
  written(): Promise<void> {
    this.writing ??= this.writeAll();
    return this.writing;
  }

  /** The same, and measures the store. */
  async flush(): Promise<void> {
    await this.written();
    await this.measured({ kind: "measure" }, "cannot be measured");
  }

  /** Deletes what has been of no use for long, and keeps all stores within `maxBytes`. */
  async tidy(maxBytes: number): Promise<void> {
    await this.written();
    await this.measured({ kind: "tidy", maxBytes }, "cannot be tidied: it is tried again after the next indexing");
  }

  /** Deletes all that is stored, of other models too. */
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
    // What is noted in one go is written in one go.
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

  /** @returns undefined, with one warning for each kind of failure, when it cannot be done */
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
