// The index of the open workspace folders: keeps fragments, their expressions and the store in step with the files.
import { stat } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Pace } from "../host/yield";
import type { Backbone } from "../inference/backbone";
import type { PromptFormat } from "../inference/prompt-format";
import type { Explanation, IndexCounts } from "../protocol";
import type { Chunker } from "./chunking/chunker";
import { LineChunker } from "./chunking/line-chunker";
import { explain, leftOut, outside } from "./explain";
import { type FileEntry, isUnchanged, type KeyedFragment, placesOf, withText } from "./file-entry";
import { decodeText, readContent } from "./files/content";
import { type ExcludeSettings, noExcludes } from "./files/exclude-settings";
import type { SkipReason } from "./files/exclusion";
import { IgnoreRules } from "./files/ignore";
import { secretRulesVersion } from "./files/secrets/find";
import { examine, type ListedFile, type ReadFile, readBytes, readSource, walk } from "./files/walk";
import type { Fragment, ScoredFragment } from "./fragment";
import type { FragmentSource } from "./fragment-source";
import { KnownFiles } from "./known-files";
import { type OpenDocument, urgencyOf } from "./priority";
import { contentHash, vectorKey } from "./store/keys";
import { Store } from "./store/store";
import { createVectorIndex } from "./vectors/create-vector-index";
import { type Quantized, quantized } from "./vectors/quantized";
import type { Accepts, VectorIndex } from "./vectors/vector-index";

export interface WorkspaceFolder {
  readonly uri: string;
  readonly name: string;
  /** Settings that leave files of this folder out. */
  readonly excludes?: ExcludeSettings;
}

export interface IndexLimits {
  /** Files larger than this are not indexed. */
  readonly maxFileKilobytes: number;
  /** Most fragments in memory (about 2 kB each); files beyond are left out as "index full". */
  readonly maxFragments: number;
  /** Bound of the store on disk, bytes. */
  readonly maxStoreBytes: number;
}

export const defaultLimits: IndexLimits = { maxFileKilobytes: 512, maxFragments: 100_000, maxStoreBytes: 500_000_000 };

export interface IndexLog {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
}

export interface WorkspaceIndexOptions {
  readonly backbone: Pick<Backbone, "embed" | "model">;
  readonly promptFormat: Pick<PromptFormat, "fragmentEmbedding">;
  /** Folder of the on-disk index; made when it is missing. */
  readonly storagePath: string;
  /** Default: line windows. */
  readonly chunker?: Chunker;
  readonly limits?: Partial<IndexLimits>;
  readonly log: IndexLog;
  /** Which vector index to take; default FAISS where it loads. */
  readonly preferredIndex?: "faiss" | "flat";
}

export interface ReindexOptions {
  readonly signal?: AbortSignal | undefined;
  /** Files done and to do, and an estimate of the time left. Called at most every {@link progressMs}, and at the end. */
  readonly onProgress?: ((done: number, total: number, secondsLeft?: number) => void) | undefined;
  /** What is open in the editor: it and its neighbours come first. */
  readonly open?: readonly OpenDocument[];
}

/** Fragments embedded at once: long enough to fill the backbone's batches, short enough to lose little by a kill. */
const batchFragments = 64;
/** Fragments gathered before they are embedded, in pieces as above: twice as many each time, so that the first are found at once. */
const mostGathered = 256;
/** Fragments taken out of the store at once, and files read at once to go with them. */
const storedFragments = 2048;
const filesReadAtOnce = 16;
const progressMs = 50;
/** Seconds of work before an estimate is worth anything. */
const leastSeconds = 3;
/** Size of what is not on disk. */
const unsavedSize = -1;
/** Reasons that say nothing against a file: what is stored of it may be of use again. */
const temporary: ReadonlySet<SkipReason> = new Set(["unreadable", "deleted meanwhile", "index full"]);
/** A file that changes faster than it is read is taken as it is; the watcher tells of its next change. */
const mostRereads = 3;
/** Milliseconds spent at a time on putting the vector index in order, and left to others between two such times. */
const settleMs = 4;

/** A file of the index. */
interface IndexedFile {
  readonly entry: FileEntry;
  /** Ids of its fragments, in order. */
  readonly ids: readonly number[];
}

interface FolderState {
  readonly uri: string;
  readonly root: string;
  readonly known: KnownFiles;
  readonly indexed: Map<string, IndexedFile>;
  readonly skipped: Map<string, SkipReason>;
  /** When a path was last read or removed: what was read earlier must not replace what was read later. */
  readonly read: Map<string, number>;
  excludes: ExcludeSettings;
  rules: IgnoreRules | undefined;
}

/** A file on its way into the index. */
interface Job {
  readonly folder: FolderState;
  readonly path: string;
  readonly entry: FileEntry;
  readonly order: number;
}

/** The same with the text of its fragments. */
interface ReadJob extends Job {
  readonly fragments: readonly KeyedFragment[];
}

/** A fragment whose expression is not stored yet. */
interface Wanted {
  readonly key: string;
  readonly tokens: readonly number[];
}

/** See {@link FragmentSource}. Every method may be called at any time; searching never waits for the others. */
export class WorkspaceIndex implements FragmentSource {
  private readonly vectors: VectorIndex;
  private readonly chunker: Chunker;
  /** By id, undefined where it is gone. */
  private readonly fragments: (Fragment | undefined)[] = [];
  private readonly store: Promise<Store | undefined>;
  private limits: IndexLimits;
  private folders: FolderState[] = [];
  /** Unsaved texts by the path of their file. */
  private readonly buffers = new Map<string, string>();
  private nextId = 0;
  private changes = 0;
  private clock = 0;
  private embedded = 0;
  private storeBytes = 0;
  private settling = false;
  /** What changes the set of folders or goes over all files happens one after another. */
  private turn: Promise<unknown> = Promise.resolve();
  private embeddingTurn: Promise<unknown> = Promise.resolve();
  private readonly ended = new AbortController();

  constructor(private readonly options: WorkspaceIndexOptions) {
    const { backbone, storagePath, log } = options;
    const { dimension } = backbone.model.retrieval;
    this.limits = { ...defaultLimits, ...options.limits };
    this.vectors = createVectorIndex(dimension, {
      preferred: options.preferredIndex ?? "faiss",
      folder: storagePath,
    });
    log.info(`Vectors are searched by ${this.vectors.name}: ${this.vectors.reason}.`);
    this.chunker = options.chunker ?? new LineChunker();
    this.store = Store.open({
      storagePath,
      modelHash: backbone.model.hash,
      dimension,
      warn: (message) => log.warn(message),
    }).catch((error: unknown) => {
      log.warn(
        `The index cannot be kept in ${storagePath} (${messageOf(error)}): it is made anew at every start. Choose a folder that can be written.`,
      );
      return undefined;
    });
  }

  get fragmentCount(): number {
    return this.vectors.size;
  }

  get revision(): number {
    return this.changes;
  }

  get vectorIndex(): Pick<VectorIndex, "name" | "reason"> {
    const { name, reason } = this.vectors;
    return { name, reason };
  }

  /** @throws RangeError when `need` has another length than the model's expressions */
  search(need: Float32Array, k: number, counts?: (fragment: Fragment) => boolean): ScoredFragment[] {
    const accepts: Accepts | undefined =
      counts === undefined
        ? undefined
        : (id) => {
            const fragment = this.fragments[id];
            return fragment !== undefined && counts(fragment);
          };
    return this.vectors.search(need, k, accepts).flatMap(({ id, score }) => {
      const fragment = this.fragments[id];
      return fragment === undefined ? [] : [{ fragment, score }];
    });
  }

  counts(): IndexCounts {
    const skipped: Record<string, number> = {};
    let files = 0;
    for (const folder of this.folders) {
      files += folder.indexed.size;
      for (const reason of folder.skipped.values()) skipped[reason] = (skipped[reason] ?? 0) + 1;
    }
    return { files, fragments: this.vectors.size, embedded: this.embedded, skipped, storeBytes: this.storeBytes };
  }

  /** Whether a file or folder is indexed, and by which rule it is not: asked anew of the disk, by the rules that indexing goes by. */
  async why(uri: string): Promise<Explanation> {
    const file = filePathOf(uri);
    const opened = this.folders.find(({ root }) => root === file);
    const place = opened === undefined ? this.locate(uri) : { folder: opened, path: "" };
    if (place === undefined) return outside(file ?? uri);
    const { folder, path } = place;
    const found = await explain({
      root: folder.root,
      path,
      rules: await this.rulesOf(folder),
      maxBytes: this.maxBytes,
      chunker: this.chunker,
    });
    if (found.state !== "indexed" || folder.indexed.has(path)) return found;
    if (folder.skipped.get(path) === "index full")
      return leftOut(path, {
        skip: "index full",
        because: `it would hold more than ${this.limits.maxFragments} fragments`,
        at: path,
      });
    return { ...found, state: "waiting", message: `${found.message} It is not in the index yet.` };
  }

  /** Whether the rules let a file through to be read; one that is secret by its name, only where the user brought it back. */
  async letsThrough(uri: string): Promise<boolean> {
    const place = this.locate(uri);
    if (place === undefined) return false;
    const { folder, path } = place;
    const rules = await this.rulesOf(folder);
    const found = await examine(folder.root, path, { rules, maxBytes: this.maxBytes }).catch(() => undefined);
    return found !== undefined && "file" in found;
  }

  /** Takes effect at the next {@link reindex} or update of a file. */
  setLimits(limits: Partial<IndexLimits>): void {
    this.limits = { ...this.limits, ...limits };
  }

  /** The folders to index. Those no longer named leave the index at once; new ones, and other excludes, count from the next {@link reindex}. */
  setFolders(folders: readonly WorkspaceFolder[]): Promise<void> {
    return this.inTurn(async () => {
      const wanted = new Map(folders.map((folder) => [folder.uri, folder]));
      const pace = new Pace();
      for (const folder of this.folders.filter(({ uri }) => !wanted.has(uri))) {
        this.folders = this.folders.filter((each) => each !== folder);
        for (const path of [...folder.indexed.keys()]) {
          this.takeOut(folder, path);
          await pace.rest();
        }
      }
      const store = await this.store;
      for (const [uri, { excludes = noExcludes }] of wanted) {
        const known = this.folders.find((folder) => folder.uri === uri);
        if (known !== undefined) {
          known.excludes = excludes;
          continue;
        }
        const root = filePathOf(uri);
        if (root === undefined) {
          this.options.log.warn(`Folder ${uri}: expected a file:// address, found another: it is not indexed.`);
          continue;
        }
        // The same folder under another spelling of its address: its files are indexed once.
        if (this.folders.some((folder) => folder.root === root)) continue;
        this.folders.push({
          uri,
          root,
          known: await KnownFiles.open(uri, this.contentVersion, store),
          indexed: new Map(),
          skipped: new Map(),
          read: new Map(),
          excludes,
          rules: undefined,
        });
      }
    });
  }

  /**
   * Brings the index in step with all files of all folders. Files that have not changed are neither read nor embedded.
   * Search goes on meanwhile with what there is.
   * @throws the signal's reason when it is aborted: what is indexed by then stays, and what is embedded is stored
   */
  reindex({ signal: cancelled, onProgress, open = [] }: ReindexOptions = {}): Promise<IndexCounts> {
    const signal = cancelled === undefined ? this.ended.signal : AbortSignal.any([cancelled, this.ended.signal]);
    return this.inTurn(async () => {
      signal.throwIfAborted();
      const urgency = urgencyOf(open);
      const listed: { folder: FolderState; file: ListedFile; urgency: number }[] = [];
      // While a folder is still being listed, what has not changed comes out of the store: twice as much each time, so
      // that the first is found at once, and yet a store in another order is gone over a few times only.
      const stored = new Batch<Job>();
      let gathered = storedFragments;
      let bringing: Promise<unknown> = Promise.resolve();
      const bringStored = (): void => {
        gathered *= 2;
        const jobs = stored.take();
        bringing = bringing.then(() => this.bringStored(jobs, signal));
        bringing.catch(() => {});
      };
      for (const folder of this.folders) {
        const files = await this.list(folder, "", signal, (file) => {
          const entry = this.storedEntry(folder, file);
          if (entry === undefined) return;
          stored.add({ folder, path: file.path, entry, order: ++this.clock }, entry.fragments.length);
          if (stored.fragments >= gathered) bringStored();
        });
        for (const file of files)
          listed.push({ folder, file, urgency: open.length === 0 ? 0 : urgency(uriOf(folder, file.path)) });
      }
      bringStored();
      await bringing;
      // Then what was edited last.
      listed.sort((a, b) => a.urgency - b.urgency || b.file.modified - a.file.modified);
      await this.bringIn(listed, signal, { onProgress });
      void this.settle();
      await this.tidy();
      return this.counts();
    });
  }

  /**
   * Reads one file, or all below a folder, anew. Resolves when it can be searched.
   * A URI outside of the folders, or one that is left out, is no error.
   */
  async updateFile(uri: string): Promise<void> {
    const place = this.locate(uri);
    if (place === undefined || this.ended.signal.aborted) return;
    const { folder, path } = place;
    try {
      const found = await examine(folder.root, path, { rules: await this.rulesOf(folder), maxBytes: this.maxBytes });
      if ("skip" in found) {
        // A folder that is left out counts once, whatever changes in it.
        this.takeOut(folder, path);
        folder.known.delete(path, true);
        this.leaveOut(folder, found.at, found.skip);
      } else if ("folder" in found)
        await this.bringIn(
          (await this.list(folder, path)).map((file) => ({ folder, file })),
          this.ended.signal,
        );
      else await this.bringIn([{ folder, file: found.file }], this.ended.signal, { reread: true });
      void this.settle();
    } catch (error) {
      if (this.ended.signal.aborted) return;
      if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
      this.removeFile(uri);
    }
  }

  /**
   * Notes the unsaved text of a file, which is searched in the place of the file on disk, or that there is none any more.
   * Resolves when it can be searched. It is not stored but for its expressions.
   */
  async updateBuffer(uri: string, text: string | undefined): Promise<void> {
    const file = filePathOf(uri);
    if (file === undefined || (text === undefined && !this.buffers.has(file))) return;
    if (text === undefined) this.buffers.delete(file);
    else this.buffers.set(file, text);
    await this.updateFile(uri);
  }

  /** Forgets everything, in memory and on disk. The folders stay; {@link reindex} reads them anew. */
  clear(): Promise<void> {
    return this.inTurn(async () => {
      const pace = new Pace();
      for (const folder of this.folders) {
        for (const path of [...folder.indexed.keys()]) {
          this.takeOut(folder, path);
          await pace.rest();
        }
        folder.skipped.clear();
        folder.known.clear();
      }
      const store = await this.store;
      await store?.clear();
      this.storeBytes = store?.bytes ?? 0;
    });
  }

  /** Takes a file, or all below a folder, out of the index at once. */
  removeFile(uri: string): void {
    const place = this.locate(uri);
    if (place === undefined) return;
    const { folder, path } = place;
    folder.rules?.leave(path);
    for (const each of [...folder.indexed.keys(), ...folder.skipped.keys()]) {
      if (each !== path && !each.startsWith(`${path}/`)) continue;
      this.takeOut(folder, each);
      folder.skipped.delete(each);
      folder.known.delete(each, false);
    }
    folder.read.set(path, ++this.clock);
  }

  /** Resolves when everything known by now is on disk. */
  async flush(): Promise<void> {
    await this.turn.catch(() => {});
    const store = await this.store;
    await store?.flush();
    this.storeBytes = store?.bytes ?? 0;
  }

  /** Stops what is under way, writes what is not yet written and closes the store. */
  async dispose(): Promise<void> {
    this.ended.abort();
    await this.flush();
    // From here on nothing is noted any more.
    this.folders = [];
    await (await this.store)?.close();
  }

  /** Changes whenever the same files are cut differently, or other ones are taken for secrets: then all are read again. */
  private get contentVersion(): string {
    return `${this.chunker.version}, ${secretRulesVersion}`;
  }

  private get maxBytes(): number {
    return this.limits.maxFileKilobytes * 1024;
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.turn.catch(() => {}).then(work);
    this.turn = result;
    return result;
  }

  /** The innermost folder that holds the file, and its path there. */
  private locate(uri: string): { folder: FolderState; path: string } | undefined {
    const file = filePathOf(uri);
    if (file === undefined) return undefined;
    let best: FolderState | undefined;
    for (const folder of this.folders)
      if (file.startsWith(withSeparator(folder.root)) && folder.root.length > (best?.root.length ?? -1)) best = folder;
    return best === undefined
      ? undefined
      : { folder: best, path: file.slice(withSeparator(best.root).length).split(sep).join("/") };
  }

  private async rulesOf(folder: FolderState): Promise<IgnoreRules> {
    folder.rules ??= await IgnoreRules.create(folder.root, folder.excludes);
    return folder.rules;
  }

  /** The files below `from` that may be indexed; what is no longer there leaves the index. */
  private async list(
    folder: FolderState,
    from: string,
    signal?: AbortSignal,
    onFile?: (file: ListedFile) => void,
  ): Promise<ListedFile[]> {
    const began = ++this.clock;
    const nested = new Set(
      this.folders
        .filter((other) => other !== folder && other.root.startsWith(withSeparator(folder.root)))
        .map((other) => other.root.slice(withSeparator(folder.root).length).split(sep).join("/")),
    );
    const skipped = new Map<string, SkipReason>();
    const files: ListedFile[] = [];
    let readable = true;
    const rules = from === "" ? await IgnoreRules.create(folder.root, folder.excludes) : await this.rulesOf(folder);
    folder.rules = rules;
    try {
      const options = {
        from,
        rules,
        nested,
        maxBytes: this.maxBytes,
        signal,
        skip: (path: string, reason: SkipReason) => void skipped.set(path, reason),
      };
      for await (const file of walk(folder.root, options)) {
        files.push(file);
        onFile?.(file);
      }
    } catch (error) {
      signal?.throwIfAborted();
      this.options.log.warn(
        `Folder ${folder.root} could not be read (${messageOf(error)}): it is left out until it can be.`,
      );
      skipped.set(from, "unreadable");
      readable = false;
    }
    const listed = new Set(files.map(({ path }) => path));
    const isBelow = (path: string): boolean => from === "" || path.startsWith(`${from}/`);
    const pace = new Pace();
    for (const path of new Set([...folder.indexed.keys(), ...folder.known.paths])) {
      if (listed.has(path) || !isBelow(path) || (folder.read.get(path) ?? 0) > began) continue;
      this.takeOut(folder, path);
      // A folder that is away for a while, as on a network disk, is not to be read anew when it is back.
      if (readable) folder.known.delete(path, isExcluded(path, skipped));
      await pace.rest();
    }
    if (readable && from === "") folder.known.eraseUnasked();
    for (const path of [...folder.skipped.keys()]) if (isBelow(path) && !listed.has(path)) folder.skipped.delete(path);
    for (const [path, reason] of skipped) folder.skipped.set(path, reason);
    return files;
  }

  /**
   * Indexes files: from the store what has not changed, the others by reading and embedding them.
   * @param options.reread read them all: somebody says that they have changed, and times may be too coarse to show it
   */
  private async bringIn(
    listed: readonly { folder: FolderState; file: ListedFile }[],
    signal: AbortSignal,
    { reread = false, onProgress }: { reread?: boolean; onProgress?: ReindexOptions["onProgress"] } = {},
  ): Promise<void> {
    let done = 0;
    let told = 0;
    let estimate: Estimate | undefined;
    const advance = (files: number): void => {
      done += files;
      if (performance.now() - told < progressMs && done < listed.length) return;
      told = performance.now();
      onProgress?.(done, listed.length, estimate?.secondsLeft());
    };
    const store = await this.store;
    const pace = new Pace();
    const unread: { folder: FolderState; path: string }[] = [];
    advance(0);

    const stored: Job[] = [];
    for (const { folder, file } of listed) {
      const { path } = file;
      const entry = folder.known.get(path);
      const unsaved = this.isUnsaved(folder, path);
      if (unsaved && !reread && folder.indexed.has(path)) advance(1);
      else if (reread || unsaved || entry === undefined || !isUnchanged(entry, file)) unread.push({ folder, path });
      else if (entry.skip !== undefined) {
        this.leaveOut(folder, path, entry.skip, entry);
        advance(1);
      } else if (folder.indexed.get(path)?.entry === entry) advance(1);
      else stored.push({ folder, path, entry, order: ++this.clock });
      if (pace.due) await pace.rest();
    }
    for (const file of await this.bringStored(stored, signal, () => advance(1))) unread.push(file);

    const sizes =
      unread.length === 0
        ? new Map<string, number>()
        : new Map(listed.map(({ folder, file }) => [join(folder.root, file.path), file.size]));
    const bytesOf = (folder: FolderState, path: string): number => sizes.get(join(folder.root, path)) ?? 0;
    estimate = new Estimate(unread.reduce((sum, { folder, path }) => sum + bytesOf(folder, path), 0));
    // One batch is embedded while the next one is read.
    let embedding: Promise<void> = Promise.resolve();
    const batch = new Batch<ReadJob>();
    const wanted = new Map<string, Wanted>();
    let gathered = batchFragments;
    const bringRead = async ({ last = false } = {}): Promise<void> => {
      gathered = Math.min(mostGathered, 2 * gathered);
      await embedding;
      const jobs = batch.take();
      const rows = [...wanted.values()];
      wanted.clear();
      embedding = this.embedAndPutIn(jobs, rows, { store, signal, last }).then((elsewhere) => {
        // Another process embeds them: they go along with the next batch, and are in the store by then.
        for (const job of elsewhere) batch.add(job, job.fragments.length);
        const keys = new Set(elsewhere.flatMap(({ fragments }) => fragments.map(({ key }) => key)));
        for (const row of rows) if (keys.has(row.key)) wanted.set(row.key, row);
        const ready = jobs.filter((job) => !elsewhere.includes(job));
        estimate?.advance(ready.reduce((sum, { folder, path }) => sum + bytesOf(folder, path), 0));
        advance(ready.length);
      });
      // Looked at by the next await of it; until then it must not count as unhandled.
      embedding.catch(() => {});
    };
    try {
      for (const { folder, path } of unread) {
        signal.throwIfAborted();
        const order = ++this.clock;
        if (this.vectors.size + batch.fragments >= this.limits.maxFragments && !folder.indexed.has(path)) {
          this.leaveOut(folder, path, "index full");
          advance(1);
          continue;
        }
        const source = await this.read(folder, path);
        const { size, modified, changed, hash } = source;
        const file = { size, modified, changed, hash };
        if ("skip" in source) {
          this.leaveOut(folder, path, source.skip, { ...file, skip: source.skip, fragments: [] }, order);
          advance(1);
          continue;
        }
        const fragments = await this.cut(path, source.text, wanted, pace);
        if (fragments === undefined) {
          this.leaveOut(folder, path, "unreadable", undefined, order);
          advance(1);
          continue;
        }
        const entry = { ...file, fragments: placesOf(fragments) };
        batch.add({ folder, path, entry, order, fragments }, fragments.length);
        if (wanted.size >= gathered || batch.files >= 4 * batchFragments) await bringRead();
        await pace.rest();
      }
      await bringRead();
      await embedding;
      if (batch.files > 0) await bringRead({ last: true });
      await embedding;
    } finally {
      // Whatever ended the loop, nothing of it goes on behind the caller's back.
      await embedding.catch(() => {});
    }
  }

  /** What the store knows of a file that has not changed since and is not in the index yet. */
  private storedEntry(folder: FolderState, file: ListedFile): FileEntry | undefined {
    const { path } = file;
    const entry = folder.known.get(path);
    if (entry === undefined || entry.skip !== undefined || !isUnchanged(entry, file)) return undefined;
    return folder.indexed.get(path)?.entry === entry || this.isUnsaved(folder, path) ? undefined : entry;
  }

  /** Whether somebody has text of the file that is not on disk. */
  private isUnsaved(folder: FolderState, path: string): boolean {
    return this.buffers.size > 0 && this.buffers.has(join(folder.root, path));
  }

  /**
   * Puts files in whose expressions are all stored, with their text as it is on the disk, where it is what was stored.
   * Returns the others, which have to be read anew.
   */
  private async bringStored(
    jobs: readonly Job[],
    signal: AbortSignal,
    onFile?: () => void,
  ): Promise<{ folder: FolderState; path: string }[]> {
    const store = await this.store;
    const unread: { folder: FolderState; path: string }[] = [];
    const pace = new Pace();
    const piece = new Batch<Job>();
    const sorted = [...jobs].sort((a, b) => (a.entry.place ?? 0) - (b.entry.place ?? 0));
    for (const [at, job] of sorted.entries()) {
      piece.add(job, job.entry.fragments.length);
      if (piece.fragments < storedFragments && at < sorted.length - 1) continue;
      const together = piece.take();
      const [found = new Map<string, Quantized>(), read] = await Promise.all([
        store?.vectors(together.flatMap(({ entry }) => entry.fragments.map(({ key }) => key))),
        this.readStored(together),
      ]);
      for (const each of together) {
        const { folder, path } = each;
        const fragments = read.get(each);
        if (fragments === undefined || !fragments.every(({ key }) => found.has(key))) unread.push({ folder, path });
        else {
          this.putIn({ ...each, fragments }, found);
          onFile?.();
        }
        signal.throwIfAborted();
        if (pace.due) await pace.rest();
      }
    }
    return unread;
  }

  /** The fragments, with their text, of those files whose content is the one that was stored. */
  private async readStored(jobs: readonly Job[]): Promise<Map<Job, KeyedFragment[]>> {
    const read = new Map<Job, KeyedFragment[]>();
    const waiting = jobs.values();
    const pace = new Pace();
    const readSome = async (): Promise<void> => {
      for (const job of waiting) {
        const found = await readBytes(job.folder.root, job.path, this.maxBytes);
        if (!("skip" in found) && contentHash(found.bytes) === job.entry.hash)
          read.set(job, withText(job.entry.fragments, decodeText(found.bytes)));
        if (pace.due) await pace.rest();
      }
    };
    await Promise.all(Array.from({ length: filesReadAtOnce }, readSome));
    return read;
  }

  /** A file's unsaved text where there is one, else what is on disk: read again when it changed meanwhile. */
  private async read(folder: FolderState, path: string): Promise<ReadFile> {
    const file = join(folder.root, path);
    const buffer = this.buffers.get(file);
    if (buffer !== undefined)
      return {
        ...readContent(new TextEncoder().encode(buffer), path),
        size: unsavedSize,
        modified: 0,
        changed: 0,
        hash: "",
      };
    let source = await readSource(folder.root, path, this.maxBytes);
    for (let again = 0; again < mostRereads; again++) {
      const now = await stat(file).catch(() => undefined);
      // What cannot be looked at any more is found out by its own event.
      if (now === undefined || (now.mtimeMs === source.modified && now.size === source.size)) break;
      source = await readSource(folder.root, path, this.maxBytes);
    }
    return source;
  }

  /** The fragments of a file, with what has to be embedded of them added to `wanted`; nothing when it cannot be cut. */
  private async cut(
    path: string,
    text: string,
    wanted: Map<string, Wanted>,
    pace: Pace,
  ): Promise<KeyedFragment[] | undefined> {
    const fragments: KeyedFragment[] = [];
    try {
      for (const chunk of await this.chunker.chunk(path, text)) {
        const tokens = this.options.promptFormat.fragmentEmbedding(path, chunk.text);
        if (tokens.length === 0) continue;
        const key = vectorKey(tokens);
        fragments.push({ ...chunk, key });
        wanted.set(key, { key, tokens });
        await pace.rest();
      }
      return fragments;
    } catch (error) {
      this.options.log.warn(`${path} could not be cut into fragments (${messageOf(error)}): it is left out.`);
      return undefined;
    }
  }

  /**
   * Embeds what is not stored, in pieces that are stored one by one, and puts the files in.
   * @param options.last whether to embed too what another process is about to store
   * @returns the files that were not put in since another process embeds some of their fragments
   */
  private async embedAndPutIn(
    jobs: readonly ReadJob[],
    wanted: readonly Wanted[],
    { store, signal, last }: { store: Store | undefined; signal: AbortSignal; last: boolean },
  ): Promise<ReadJob[]> {
    const vectors = (await store?.vectors(wanted.map(({ key }) => key))) ?? new Map<string, Quantized>();
    const missing = (): Wanted[] => wanted.filter(({ key }) => !vectors.has(key));
    const embed = async (): Promise<ReadonlySet<string>> => {
      const keys = missing().map(({ key }) => key);
      const elsewhere = (last ? undefined : await store?.claim(keys)) ?? new Set<string>();
      // Stored meanwhile by other work here or by another process.
      for (const [key, vector] of (await store?.vectors(keys)) ?? []) vectors.set(key, vector);
      const mine = missing().filter(({ key }) => !elsewhere.has(key));
      await this.embedMissing(mine, vectors, store, signal);
      return elsewhere;
    };
    let elsewhere: ReadonlySet<string> = new Set();
    if (missing().length > 0) {
      // In the order of asking: a saved file must not wait for a whole first run.
      const turn = this.embeddingTurn.catch(() => {}).then(embed);
      this.embeddingTurn = turn;
      elsewhere = await turn;
    }
    const waits = ({ fragments }: ReadJob): boolean =>
      fragments.some(({ key }) => elsewhere.has(key) && !vectors.has(key));
    await this.putAllIn(
      jobs.filter((job) => !waits(job)),
      vectors,
    );
    return jobs.filter(waits);
  }

  /** Puts files in whose fragments are embedded, but for those that cannot be. */
  private async putAllIn(jobs: readonly ReadJob[], vectors: ReadonlyMap<string, Quantized>): Promise<void> {
    const pace = new Pace();
    for (const job of jobs) {
      const fragments = job.fragments.filter(({ key }) => vectors.has(key));
      const entry = { ...job.entry, fragments: placesOf(fragments) };
      this.putIn({ ...job, entry, fragments }, vectors);
      await pace.rest();
    }
  }

  /** Embeds the fragments, stores them and adds them to `vectors`. */
  private async embedMissing(
    missing: readonly Wanted[],
    vectors: Map<string, Quantized>,
    store: Store | undefined,
    signal: AbortSignal,
  ): Promise<void> {
    // Alike lengths together: a batch is padded to its longest row.
    const sorted = [...missing].sort((a, b) => b.tokens.length - a.tokens.length);
    for (let start = 0; start < sorted.length; start += batchFragments) {
      const rows = sorted.slice(start, start + batchFragments);
      const made = await this.options.backbone.embed(
        rows.map(({ tokens }) => tokens),
        signal,
      );
      const fresh = new Map<string, Quantized>();
      rows.forEach(({ key }, i) => {
        const floats = made[i];
        if (floats === undefined || !floats.every(Number.isFinite)) {
          this.options.log.warn("The model gave no usable expression for a fragment: it is left out.");
          return;
        }
        // As it comes back from the store, so that what is searched is the same before and after a restart.
        const vector = quantized(floats);
        fresh.set(key, vector);
        vectors.set(key, vector);
      });
      this.embedded += fresh.size;
      void this.settle();
      // The piece before is written while this one is embedded.
      await store?.written();
      store?.putVectors(fresh);
    }
  }

  /** Puts a file's fragments in, in the place of its former ones, unless something later is known of it. */
  private putIn({ folder, path, entry, order, fragments }: ReadJob, vectors: ReadonlyMap<string, Quantized>): void {
    if ((folder.read.get(path) ?? 0) > order || !this.folders.includes(folder)) return;
    folder.read.set(path, order);
    const former = folder.indexed.get(path);
    if (this.vectors.size - (former?.ids.length ?? 0) + entry.fragments.length > this.limits.maxFragments) {
      this.leaveOut(folder, path, "index full");
      return;
    }
    // A fragment that only moved keeps its id, and its vector its place.
    const reusable = new Map<string, number[]>();
    former?.entry.fragments.forEach(({ key }, i) => {
      const id = former.ids[i];
      if (id === undefined) return;
      const ids = reusable.get(key);
      if (ids === undefined) reusable.set(key, [id]);
      else ids.push(id);
    });
    const uri = uriOf(folder, path);
    const ids = fragments.map(({ key, startLine, endLine, text, scope }) => {
      let id = reusable.get(key)?.pop();
      if (id === undefined) {
        id = this.nextId++;
        const vector = vectors.get(key);
        if (vector !== undefined) this.vectors.add(id, vector);
      }
      // Written out: a rest and a spread take several times as long.
      this.fragments[id] =
        scope === undefined ? { uri, path, startLine, endLine, text } : { uri, path, startLine, endLine, text, scope };
      return id;
    });
    const gone = [...reusable.values()].flat();
    this.changes += 1;
    this.vectors.remove(gone);
    for (const id of gone) this.fragments[id] = undefined;
    folder.indexed.set(path, { entry, ids });
    folder.skipped.delete(path);
    this.remember(folder, path, entry);
  }

  private takeOut(folder: FolderState, path: string): void {
    const file = folder.indexed.get(path);
    folder.read.set(path, ++this.clock);
    if (file === undefined) return;
    folder.indexed.delete(path);
    this.changes += 1;
    this.vectors.remove(file.ids);
    for (const id of file.ids) this.fragments[id] = undefined;
  }

  private leaveOut(
    folder: FolderState,
    path: string,
    reason: SkipReason,
    entry?: FileEntry,
    order: number = ++this.clock,
  ): void {
    if ((folder.read.get(path) ?? 0) > order) return;
    this.takeOut(folder, path);
    if (reason === "deleted meanwhile") folder.skipped.delete(path);
    else folder.skipped.set(path, reason);
    // What could not be read may be readable the next time.
    if (reason === "unreadable" || reason === "deleted meanwhile" || entry === undefined)
      folder.known.delete(path, !temporary.has(reason));
    else this.remember(folder, path, entry);
  }

  private remember(folder: FolderState, path: string, entry: FileEntry): void {
    // What is not on disk is no news of the disk.
    if (entry.size === unsavedSize || !this.folders.includes(folder)) return;
    // On a disk that keeps whole seconds a change in the second of the reading would not show: such a file is read again.
    if (entry.modified % 1000 === 0 && Date.now() - entry.modified < 2000) return;
    folder.known.set(path, entry);
  }

  /** Brings the vector index in order, a slice of time after another; nobody waits for it. */
  private async settle(): Promise<void> {
    if (this.settling) return;
    this.settling = true;
    while (!this.ended.signal.aborted && this.vectors.settle(settleMs)) await setTimeout(settleMs);
    this.settling = false;
  }

  private async tidy(): Promise<void> {
    const store = await this.store;
    await store?.tidy(this.limits.maxStoreBytes);
    this.storeBytes = store?.bytes ?? 0;
  }
}

/** How long the rest will take, from the bytes read and embedded so far: files are too unequal to count. */
class Estimate {
  private readonly start = performance.now();
  private done = 0;

  constructor(private readonly bytes: number) {}

  advance(bytes: number): void {
    this.done += bytes;
  }

  /** Undefined while too little is done to tell. */
  secondsLeft(): number | undefined {
    const seconds = (performance.now() - this.start) / 1000;
    if (seconds < leastSeconds || this.done === 0) return undefined;
    return Math.round((seconds / this.done) * Math.max(0, this.bytes - this.done));
  }
}

/** Files that go together through a step. */
class Batch<Each extends Job> {
  private jobs: Each[] = [];
  fragments = 0;

  get files(): number {
    return this.jobs.length;
  }

  add(job: Each, fragments: number): void {
    this.jobs.push(job);
    this.fragments += fragments;
  }

  take(): Each[] {
    const { jobs } = this;
    this.jobs = [];
    this.fragments = 0;
    return jobs;
  }
}

/** Whether a rule leaves the path out, or a folder that it is in, so that nothing of it may stay in the store. */
function isExcluded(path: string, skipped: ReadonlyMap<string, SkipReason>): boolean {
  for (let at = path; at !== "." && at !== ""; at = dirname(at)) {
    const reason = skipped.get(at);
    if (reason !== undefined) return !temporary.has(reason);
  }
  return false;
}

function filePathOf(uri: string): string | undefined {
  if (!uri.startsWith("file:")) return undefined;
  try {
    const path = fileURLToPath(uri);
    return path.length > 1 && path.endsWith(sep) ? path.slice(0, -1) : path;
  } catch {
    return undefined;
  }
}

function withSeparator(root: string): string {
  return root.endsWith(sep) ? root : root + sep;
}

/** The URI of a file in a folder. */
function uriOf(folder: FolderState, path: string): string {
  return `${folder.uri.replace(/\/$/, "")}/${path.split("/").map(encodeSegment).join("/")}`;
}

/** Percent-encoding as editors do it in URIs: stricter than encodeURIComponent. */
function encodeSegment(segment: string): string {
  return encodeURIComponent(segment).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
