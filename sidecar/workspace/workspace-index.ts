// The index of the open workspace folders: keeps fragments in step with the files, and searches them.
import { filePath } from "../host/paths";
import type { Explanation, IndexCounts } from "../protocol";
import type { Chunker } from "./chunking/chunker";
import { LineChunker } from "./chunking/line-chunker";
import { explainIndexed, outside } from "./explain";
import { contentRulesVersion } from "./files/content";
import { secretRulesVersion } from "./files/secrets/find";
import type { Fragment, ScoredFragment } from "./fragment";
import type { FragmentSource } from "./fragment-source";
import { FragmentTable } from "./fragment-table";
import { defaultLimits, type IndexLimits, maxFileBytes, type WorkspaceIndexOptions } from "./index-options";
import { IndexedFiles } from "./indexed-files";
import { FragmentEmbedder } from "./ingest/embed-fragments";
import { Reindexer, type ReindexOptions } from "./ingest/reindex";
import { Store } from "./store/store";
import { createVectorIndex } from "./vectors/create-vector-index";
import type { VectorIndex } from "./vectors/vector-index";
import { type WorkspaceFolder, WorkspaceFolders } from "./workspace-folders";

/** See {@link FragmentSource}. Every method may be called at any time; searching never waits for the others. */
export class WorkspaceIndex implements FragmentSource {
  readonly vectorIndex: Pick<VectorIndex, "name" | "reason">;
  private readonly folders = new WorkspaceFolders();
  private readonly table: FragmentTable;
  private readonly files: IndexedFiles;
  private readonly embedder: FragmentEmbedder;
  private readonly reindexer: Reindexer;
  private readonly chunker: Chunker;
  private readonly store: Promise<Store | undefined>;
  private readonly warn = (message: string): void => this.options.log.warn(message);
  private readonly ended = new AbortController();
  /** Unsaved texts by the path of their file. */
  private readonly unsaved = new Map<string, string>();
  private limits: IndexLimits;
  private storeBytes = 0;
  /** Changes of the set of folders, and work on all files, run one after another. */
  private turn: Promise<unknown> = Promise.resolve();

  constructor(private readonly options: WorkspaceIndexOptions) {
    const { backbone, promptFormat, storagePath, log } = options;
    const { hash, retrieval } = backbone.model;
    const { warn } = this;
    const limits = (): IndexLimits => this.limits;
    const vectors = createVectorIndex(retrieval.dimension, {
      preferred: options.preferredIndex ?? "faiss",
      folder: storagePath,
    });
    this.vectorIndex = { name: vectors.name, reason: vectors.reason };
    this.limits = { ...defaultLimits, ...options.limits };
    this.chunker = options.chunker ?? new LineChunker();
    this.store = Store.openOrWarn({ storagePath, modelHash: hash, dimension: retrieval.dimension, warn });
    this.table = new FragmentTable(vectors, this.ended.signal);
    this.files = new IndexedFiles(this.table, () => this.limits.maxFragments);
    this.embedder = new FragmentEmbedder(backbone, this.store, warn);
    const { folders, table, files, embedder, chunker, store, unsaved } = this;
    const parts = { folders, table, files, embedder, chunker, promptFormat, store, unsaved, limits, warn };
    this.reindexer = new Reindexer(parts);
    log.info(`Vectors are searched by ${vectors.name}: ${vectors.reason}.`);
  }

  get fragmentCount(): number {
    return this.table.size;
  }

  get revision(): number {
    return this.table.revision;
  }

  /** @throws RangeError when `query` has another length than the model's vectors */
  search(query: Float32Array, k: number, accepts?: (fragment: Fragment) => boolean): ScoredFragment[] {
    return this.table.search(query, k, accepts);
  }

  counts(): IndexCounts {
    const { embedded } = this.embedder;
    return { ...this.folders.counts(), fragments: this.table.size, embedded, storeBytes: this.storeBytes };
  }

  /** Whether a file or folder is indexed, and if not, by which rule: decided from the disk as it is now, by the rules of indexing. */
  async why(uri: string): Promise<Explanation> {
    const place = this.folders.locateAny(uri);
    if (place === undefined) return outside(filePath(uri) ?? uri);
    const { maxFragments } = this.limits;
    return explainIndexed(place, { maxBytes: maxFileBytes(this.limits), chunker: this.chunker, maxFragments });
  }

  /** Whether the rules allow a file to be read. A file with the name of a secret may be read only where a user's rule says so. */
  async mayRead(uri: string): Promise<boolean> {
    const place = this.folders.locate(uri);
    if (place === undefined) return false;
    const found = await this.reindexer.examine(place).catch(() => undefined);
    return found !== undefined && "file" in found;
  }

  /** Takes effect at the next {@link reindex} or update of a file. */
  setLimits(limits: Partial<IndexLimits>): void {
    this.limits = { ...this.limits, ...limits };
  }

  /** The folders to index. Those no longer named leave the index at once; new ones, and other excludes, count from the next {@link reindex}. */
  setFolders(folders: readonly WorkspaceFolder[]): Promise<void> {
    return this.inTurn(async () => {
      for (const folder of this.folders.close(folders)) await this.files.removeAll(folder);
      // A new version whenever the same content is cut or excluded differently: all files are read again.
      const version = `${this.chunker.version}, ${contentRulesVersion}, ${secretRulesVersion}`;
      await this.folders.open(folders, { store: await this.store, version });
    });
  }

  /**
   * Brings the index in step with all files of all folders. Files that have not changed are neither read nor embedded.
   * Searches find what is indexed so far.
   * @throws the signal's reason when it is aborted: what is indexed by then stays, and what is embedded is stored
   */
  reindex(options: ReindexOptions = {}): Promise<IndexCounts> {
    const { ended } = this;
    const signal = options.signal === undefined ? ended.signal : AbortSignal.any([options.signal, ended.signal]);
    return this.inTurn(async () => {
      signal.throwIfAborted();
      await this.reindexer.reindexAll(signal, options);
      void this.table.maintain();
      await this.useStore((store) => store.tidy(this.limits.maxStoreBytes));
      return this.counts();
    });
  }

  /**
   * Reads one file, or all below a folder, again. Resolves when it can be searched.
   * A URI outside of the folders, or one that is excluded, is no error.
   */
  async updateFile(uri: string): Promise<void> {
    const place = this.folders.locate(uri);
    const { signal } = this.ended;
    if (place === undefined || signal.aborted) return;
    await this.reindexer.update(place, signal);
    void this.table.maintain();
  }

  /**
   * Searches the unsaved text of a file in the place of the file on disk; undefined when there is none any more.
   * Resolves when it can be searched. Only the vectors of unsaved text are stored.
   */
  async updateBuffer(uri: string, text: string | undefined): Promise<void> {
    const file = filePath(uri);
    if (file === undefined || (text === undefined && !this.unsaved.has(file))) return;
    if (text === undefined) this.unsaved.delete(file);
    else this.unsaved.set(file, text);
    await this.updateFile(uri);
  }

  /** Deletes everything, in memory and on disk. The folders stay; {@link reindex} reads them again. */
  clear(): Promise<void> {
    return this.inTurn(async () => {
      for (const folder of this.folders.all) {
        await this.files.removeAll(folder);
        folder.excluded.clear();
        folder.known.clear();
      }
      await this.useStore((store) => store.clear());
    });
  }

  /** Removes a file, or all below a folder, from the index at once. */
  removeFile(uri: string): void {
    const place = this.folders.locate(uri);
    if (place !== undefined) this.files.removeBelow(place.folder, place.path);
  }

  /** Resolves when everything known by now is on disk. */
  async flush(): Promise<void> {
    await this.turn.catch(() => {});
    await this.useStore((store) => store.flush());
  }

  /** Stops what is under way, writes what is not yet written and closes the store. */
  async dispose(): Promise<void> {
    this.ended.abort();
    await this.flush();
    // From here on nothing is recorded any more.
    this.folders.close([]);
    await (await this.store)?.close();
  }

  private async useStore(work: (store: Store) => Promise<void>): Promise<void> {
    const store = await this.store;
    if (store === undefined) return;
    await work(store);
    this.storeBytes = store.bytes;
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.turn.catch(() => {}).then(work);
    this.turn = result;
    return result;
  }
}
