// The on-disk store of one model's index: opens it, keeps it bounded and tidy, and says how large it is.
import { createHash } from "node:crypto";
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder } from "../host/make-folder";
import { type FileEntry, keysInUse, Manifest } from "./manifest";
import { afterLock, mayBeWritten, withLock } from "./owner";
import { VectorStore } from "./vector-store";

/** Segments left behind by ended processes at which merging them is worth reading them all. */
const mergeableSegments = 8;
/** Share of the bound that is left after something had to be evicted, so that it does not happen at every start. */
const keptShare = 0.8;
/** A process embeds a batch at a time; one that takes longer is stopped or stuck, and is not waited for. */
const longestEmbeddingMs = 30_000;
const formatVersion = 2;

export interface StoreOptions {
  readonly storagePath: string;
  readonly modelHash: string;
  readonly dimension: number;
  /** Bound of everything under `storagePath`. */
  readonly maxBytes: number;
  readonly warn: (message: string) => void;
}

/** `storagePath/index-<format>-<model hash>/` holds one model's vectors and the manifests of all folders. */
export class Store {
  /** Embedding of this process, one batch after another. */
  private turn: Promise<void> = Promise.resolve();

  private constructor(
    readonly vectors: VectorStore,
    private readonly options: StoreOptions,
    private readonly directory: string,
    private total: number,
  ) {}

  /** @throws Error when the folder cannot be made or listed */
  static async open(options: StoreOptions): Promise<Store> {
    const directory = join(options.storagePath, `index-${formatVersion}-${options.modelHash.slice(0, 16)}`);
    // It holds the workspace's text: nobody else's business.
    await makeFolder(directory, 0o700);
    const { modelHash, dimension, warn } = options;
    const vectors = await VectorStore.open({ directory, modelHash, dimension, warn });
    return new Store(vectors, options, directory, await sizeOf(options.storagePath));
  }

  /** Bytes under the storage path when last looked at. */
  get bytes(): number {
    return this.total;
  }

  openManifest(folder: string, chunker: string): Promise<{ manifest: Manifest; files: Map<string, FileEntry> }> {
    return Manifest.open(this.directory, folder, chunker, this.options.warn);
  }

  /**
   * Runs `work` while no other process embeds for these folders (URIs), after whoever does; what that one has stored by
   * then is found.
   */
  whileEmbedding(folders: readonly string[], work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    // Within this process in the order of asking: a saved file must not wait for a whole first run.
    const turn = this.turn
      .catch(() => {})
      .then(() => this.locked([...new Set(folders)].sort(), () => this.vectors.refresh().then(work), signal));
    this.turn = turn;
    return turn;
  }

  private locked([first, ...others]: readonly string[], work: () => Promise<void>, signal: AbortSignal): Promise<void> {
    if (first === undefined) return work();
    const lock = join(
      this.directory,
      `embedding-${createHash("sha256").update(first).digest("hex").slice(0, 12)}.lock`,
    );
    return afterLock(lock, () => this.locked(others, work, signal), { signal, mostMs: longestEmbeddingMs });
  }

  /** Deletes all that is stored, of other models too, but for what another running process writes. Manifests must be closed. */
  async clear(): Promise<void> {
    await this.vectors.close();
    await this.removeOtherModels();
    for (const { name, path, modified } of await filesIn(this.directory))
      if (/\.(?:bin|log|tmp)$/.test(name) && !mayBeWritten(name, modified)) await rm(path, { force: true });
    await this.vectors.reopen();
    await this.measure();
  }

  async measure(): Promise<void> {
    this.total = await sizeOf(this.options.storagePath);
  }

  /**
   * Merges what ended processes left, and evicts down to the bound: other models' indexes first, then the vectors and
   * manifests that were unused for longest. Does nothing while another process does it.
   */
  async tidy(): Promise<void> {
    const { storagePath, maxBytes } = this.options;
    await this.vectors.flush();
    await this.measure();
    if (this.total <= maxBytes && (await this.vectors.mergeable()) < mergeableSegments) return;
    await withLock(join(this.directory, "tidy.lock"), async () => {
      await this.removeLeftovers();
      if (this.total > maxBytes) await this.removeOtherModels();
      await this.measure();
      if (this.total <= maxBytes) return this.vectors.merge();
      const bound = Math.floor(maxBytes * keptShare);
      const manifests = await this.removeOldManifests(bound / 2);
      const used = await keysInUse(this.directory);
      await this.vectors.evict(Math.max(0, bound - manifests), (key) => used.get(key) ?? 0);
    });
    await this.measure();
    if (this.total > maxBytes)
      this.options.warn(
        `The index in ${storagePath} takes ${megabytes(this.total)} MB, more than its bound of ${megabytes(maxBytes)} MB, while other windows are using it: it is made smaller later.`,
      );
  }

  async close(): Promise<void> {
    await this.vectors.close();
  }

  /** Temporary files of processes that were killed. */
  private async removeLeftovers(): Promise<void> {
    for (const file of await filesIn(this.directory)) {
      if (file.name.endsWith(".tmp") && !mayBeWritten(file.name, file.modified)) await rm(file.path, { force: true });
    }
  }

  private async removeOtherModels(): Promise<void> {
    for (const entry of await readdir(this.options.storagePath, { withFileTypes: true })) {
      const path = join(this.options.storagePath, entry.name);
      if (!entry.isDirectory() || !/^index-\d+-[0-9a-f]{16}$/.test(entry.name) || path === this.directory) continue;
      const files = await filesIn(path);
      if (!files.some(({ name, modified }) => mayBeWritten(name, modified)))
        await rm(path, { recursive: true, force: true });
    }
  }

  /** Deletes the oldest folders' manifests until the rest fits into `bytes`. @returns their size then */
  private async removeOldManifests(bytes: number): Promise<number> {
    const logs = (await filesIn(this.directory))
      .filter(({ name }) => name.endsWith(".log"))
      .sort((a, b) => b.modified - a.modified);
    let kept = 0;
    for (const { name, path, size, modified } of logs) {
      if (kept + size <= bytes || mayBeWritten(name, modified)) kept += size;
      else await rm(path, { force: true });
    }
    return kept;
  }
}

interface FoundFile {
  readonly name: string;
  readonly path: string;
  readonly size: number;
  readonly modified: number;
}

async function filesIn(directory: string): Promise<FoundFile[]> {
  const found: FoundFile[] = [];
  for (const name of await readdir(directory).catch(() => [])) {
    const path = join(directory, name);
    const entry = await stat(path).catch(() => undefined);
    if (entry?.isFile() === true) found.push({ name, path, size: entry.size, modified: entry.mtimeMs });
  }
  return found;
}

async function sizeOf(storagePath: string): Promise<number> {
  let total = 0;
  for (const name of await readdir(storagePath).catch(() => [])) {
    for (const { size } of await filesIn(join(storagePath, name))) total += size;
  }
  return total;
}

function megabytes(bytes: number): number {
  return Math.round(bytes / 1e5) / 10;
}
