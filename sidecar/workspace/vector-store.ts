// Fragment expressions on disk under the hash of what the model read: append-only segments that no kill can spoil.
import { createHash } from "node:crypto";
import { type FileHandle, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { beginWriting, endWriting, mayBeWritten, ownedName } from "./owner";
import { Pace } from "./pace";
import type { Quantized } from "./quantized";
import { keyBytes, RecordBlock, recordBytesOf, type VectorKey } from "./record-block";

/**
 * A segment is a header and records of one size, so that a torn or damaged record spoils no other:
 *   header  8 bytes magic, u32 format, u32 dimension, 32 bytes model hash, 8 bytes checksum, zeros up to 64
 *   record  see {@link RecordBlock}
 * Little-endian. The header's checksum is the first 8 bytes of SHA-256 over what stands before.
 */
const magic = "SRACGVEC";
const format = 2;
const headerBytes = 64;
const headerChecksumBytes = 8;
/** Bytes read at once. */
const blockBytes = 1 << 20;
/** A segment this large is closed and another begun. */
const segmentBytes = 64 << 20;

/** Key of a fragment: SHA-256 of the token ids that the model reads of it. Expressions are equal exactly when these are. */
export function vectorKey(tokens: readonly number[]): VectorKey {
  return createHash("sha256").update(Uint32Array.from(tokens)).digest().toString("latin1", 0, keyBytes);
}

interface Segment {
  readonly name: string;
  readonly path: string;
  /** Offset up to which its records are known. */
  end: number;
}

export interface VectorStoreOptions {
  readonly directory: string;
  /** 64 hexadecimal digits. */
  readonly modelHash: string;
  readonly dimension: number;
  readonly warn: (message: string) => void;
}

/** All vectors of one model. Reads the segments of every process, writes a segment of its own. */
export class VectorStore {
  private readonly recordBytes: number;
  private segments: Segment[] = [];
  /** Segment number x 2^32 + offset in the file. */
  private places = new Map<VectorKey, number>();
  private writing:
    | { readonly segment: Segment; readonly number: number; readonly file: FileHandle; size: number }
    | undefined;
  /** Writes one after another. */
  private queue: Promise<void> = Promise.resolve();
  private damaged = 0;
  private writeFailed = false;

  private constructor(private readonly options: VectorStoreOptions) {
    this.recordBytes = recordBytesOf(options.dimension);
  }

  /** Reads the keys of all segments in the directory, which must exist. Segments that are no such thing are deleted with a warning. */
  static async open(options: VectorStoreOptions): Promise<VectorStore> {
    const store = new VectorStore(options);
    await store.scan();
    return store;
  }

  /** Vectors that can be had. */
  get size(): number {
    return this.places.size;
  }

  has(key: VectorKey): boolean {
    return this.places.has(key);
  }

  /** A number that grows with the place at which a vector is stored: those that are near each other are read fastest together. */
  placeOf(key: VectorKey): number | undefined {
    return this.places.get(key);
  }

  /** Vectors for those of `keys` that are stored and undamaged. */
  async get(keys: Iterable<VectorKey>): Promise<Map<VectorKey, Quantized>> {
    const found = new Map<VectorKey, Quantized>();
    if (!(await this.read(keys, found))) {
      // Another process has merged the segments meanwhile: look again, once.
      await this.scan();
      await this.read(keys, found);
    }
    return found;
  }

  /** Appends vectors; those already stored are passed over. Never rejects: what cannot be written stays in memory only, with a warning. */
  put(entries: readonly { readonly key: VectorKey; readonly vector: Quantized }[]): Promise<void> {
    this.queue = this.queue.then(async () => {
      const fresh = [...new Map(entries.map((entry) => [entry.key, entry])).values()].filter(
        ({ key }) => !this.places.has(key),
      );
      if (fresh.length === 0) return;
      const now = Math.floor(Date.now() / 1000);
      const block = this.block(fresh.length);
      for (const [i, { key, vector }] of fresh.entries()) block.write(i * this.recordBytes, key, now, vector);
      try {
        const target = await this.target();
        await writeFully(target.file, block.bytes, target.size);
        for (const [i, { key }] of fresh.entries())
          this.places.set(key, target.number * 2 ** 32 + target.size + i * this.recordBytes);
        target.size += block.bytes.length;
      } catch (error) {
        await this.endSegment().catch(() => {});
        if (!this.writeFailed)
          this.options.warn(
            `Embeddings could not be written to ${this.options.directory} (${messageOf(error)}): they are kept in memory and made anew at the next start.`,
          );
        this.writeFailed = true;
      }
    });
    return this.queue;
  }

  /** Takes notice of what other processes have written since. Reads only what is new. */
  refresh(): Promise<void> {
    this.queue = this.queue
      .then(async () => {
        for (const name of (await readdir(this.options.directory).catch(() => [])).filter(isSegment).sort()) {
          if (this.writing?.segment.name === name) continue;
          const at = this.segments.findIndex((segment) => segment.name === name);
          const segment = this.segments[at] ?? { name, path: join(this.options.directory, name), end: headerBytes };
          try {
            if ((await stat(segment.path)).size < segment.end + this.recordBytes) continue;
            const number = at < 0 ? this.segments.length : at;
            if ((await this.noteKeys(segment, number)) && at < 0) this.segments.push(segment);
          } catch (error) {
            // Merged meanwhile by the process that wrote it: its records are found when they are asked for.
            if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
          }
        }
      })
      .catch((error: unknown) =>
        this.options.warn(
          `${this.options.directory}: could not be read (${messageOf(error)}): what other windows embed is not seen.`,
        ),
      );
    return this.queue;
  }

  /** Waits until everything put is written. */
  async flush(): Promise<void> {
    await this.queue;
  }

  async close(): Promise<void> {
    await this.queue;
    await this.endSegment();
  }

  /** Looks anew at what lies in the directory. */
  reopen(): Promise<void> {
    return this.scan();
  }

  private async endSegment(): Promise<void> {
    if (this.writing === undefined) return;
    endWriting(this.writing.segment.name);
    const { file, segment, size } = this.writing;
    segment.end = size;
    this.writing = undefined;
    await file.close();
  }

  /** Number of small segments on disk that no running process writes. */
  async mergeable(): Promise<number> {
    return (await this.closedSegments(segmentBytes / 2)).length;
  }

  /** Writes the small segments that nobody writes any more into one. A kill on the way leaves the old ones, or both, which is harmless. */
  async merge(): Promise<void> {
    await this.rewrite(segmentBytes / 2, Infinity, () => 0);
  }

  /**
   * Keeps no more than `maxBytes` of the segments that nobody writes: the vectors used last.
   * @param usedAt seconds since 1970 at which a key was last in use, where that is known
   */
  async evict(maxBytes: number, usedAt: (key: VectorKey) => number): Promise<void> {
    await this.rewrite(Infinity, maxBytes, usedAt);
  }

  private async rewrite(below: number, maxBytes: number, usedAt: (key: VectorKey) => number): Promise<void> {
    await this.close();
    const closed = await this.closedSegments(below);
    const pace = new Pace();
    const newest = new Map<VectorKey, { segment: number; offset: number; used: number }>();
    for (const [number, segment] of closed.entries()) {
      await this.forEachRecord(segment, (block, at, offset) => {
        if (!block.isIntact(at)) return;
        const key = block.keyAt(at);
        const used = Math.max(block.usedAt(at), usedAt(key));
        const known = newest.get(key);
        if (known === undefined || known.used < used) newest.set(key, { segment: number, offset, used });
      });
      await pace.rest();
    }
    const kept = [...newest.values()].sort((a, b) => b.used - a.used).slice(0, Math.floor(maxBytes / this.recordBytes));
    const bySegment = closed.map((): Map<number, number> => new Map());
    for (const { segment, offset, used } of kept) bySegment[segment]?.set(offset, used);
    const writer = new SegmentWriter(this.options.directory, this.header());
    try {
      for (const [number, segment] of closed.entries()) {
        const wanted = bySegment[number];
        if (wanted === undefined || wanted.size === 0) continue;
        await this.forEachRecord(
          segment,
          (block, at, offset) => {
            const used = wanted.get(offset);
            if (used === undefined) return;
            block.setUsed(at, used);
            writer.add(Buffer.from(block.bytes.subarray(at, at + this.recordBytes)));
          },
          { afterBlock: () => writer.write() },
        );
      }
      await writer.finish();
    } catch (error) {
      await writer.discard();
      throw error;
    }
    for (const segment of closed) await rm(segment.path, { force: true });
    await this.scan();
  }

  /** Segments of fewer bytes that no process writes. */
  private async closedSegments(below: number): Promise<Segment[]> {
    const closed: Segment[] = [];
    for (const name of await readdir(this.options.directory)) {
      if (!isSegment(name)) continue;
      const path = join(this.options.directory, name);
      const { mtimeMs, size } = await stat(path);
      if (size < below && !mayBeWritten(name, mtimeMs)) closed.push({ name, path, end: headerBytes });
    }
    return closed;
  }

  /** Reads which keys lie where, after what is being written. */
  private scan(): Promise<void> {
    this.queue = this.queue.then(() => this.readKeys());
    return this.queue;
  }

  private async readKeys(): Promise<void> {
    const places = new Map<VectorKey, number>();
    const segments: Segment[] = [];
    for (const name of (await readdir(this.options.directory)).filter(isSegment).sort()) {
      const own = this.writing?.segment.name === name;
      const segment: Segment = { name, path: join(this.options.directory, name), end: headerBytes };
      try {
        const number = segments.length;
        const valid = await this.noteKeys(segment, number, places);
        if (valid) segments.push(segment);
        else {
          const { size, mtimeMs } = await stat(segment.path);
          if (!mayBeWritten(name, mtimeMs)) {
            // The beginning of a header alone is what a kill leaves of a segment that never held anything.
            const begun = size < headerBytes && (await readFile(segment.path)).equals(this.header().subarray(0, size));
            if (!begun)
              this.options.warn(
                `${segment.path}: expected a segment of embeddings of this model, found something else: deleted, its fragments are embedded anew.`,
              );
            await rm(segment.path, { force: true });
          }
        }
        if (own && this.writing !== undefined) this.writing = { ...this.writing, number };
      } catch (error) {
        this.options.warn(`${segment.path}: could not be read (${messageOf(error)}): its fragments are embedded anew.`);
      }
    }
    this.segments = segments;
    this.places = places;
  }

  /** Notes where the keys of a segment's records lie that are not known yet. @returns false when it is none of this model */
  private noteKeys(segment: Segment, number: number, places = this.places): Promise<boolean> {
    return this.forEachRecord(
      segment,
      (block, at, offset) => {
        places.set(block.keyAt(at), number * 2 ** 32 + offset);
        segment.end = offset + this.recordBytes;
      },
      { from: segment.end },
    );
  }

  /** Reads what it can of `keys` into `found`. @returns false when a segment was gone */
  private async read(keys: Iterable<VectorKey>, found: Map<VectorKey, Quantized>): Promise<boolean> {
    const bySegment = new Map<number, { key: VectorKey; offset: number }[]>();
    for (const key of keys) {
      const place = this.places.get(key);
      if (place === undefined || found.has(key)) continue;
      const number = Math.floor(place / 2 ** 32);
      const list = bySegment.get(number) ?? [];
      list.push({ key, offset: place % 2 ** 32 });
      bySegment.set(number, list);
    }
    let complete = true;
    const pace = new Pace();
    for (const [number, wanted] of bySegment) {
      const segment = this.segments[number];
      if (segment === undefined) continue;
      try {
        const file = await open(segment.path, "r");
        try {
          wanted.sort((a, b) => a.offset - b.offset);
          for (let i = 0; i < wanted.length; ) {
            // Neighbours are read together, small gaps included.
            const start = wanted[i]?.offset ?? 0;
            let end = i + 1;
            while (
              end < wanted.length &&
              (wanted[end]?.offset ?? 0) + this.recordBytes - start <= blockBytes &&
              (wanted[end]?.offset ?? 0) - (wanted[end - 1]?.offset ?? 0) <= 16 * this.recordBytes
            )
              end++;
            const length = (wanted[end - 1]?.offset ?? 0) + this.recordBytes - start;
            const block = this.block(length / this.recordBytes);
            const { bytesRead } = await file.read(block.bytes, 0, length, start);
            for (const { key, offset } of wanted.slice(i, end)) {
              const at = offset - start;
              if (at + this.recordBytes <= bytesRead && block.isIntact(at) && block.keyAt(at) === key)
                found.set(key, block.vectorAt(at));
              else this.forget(key, segment);
              if (pace.due) await pace.rest();
            }
            i = end;
          }
        } finally {
          await file.close();
        }
      } catch (error) {
        if (error instanceof Error && "code" in error && error.code === "ENOENT") complete = false;
        else
          this.options.warn(
            `${segment.path}: could not be read (${messageOf(error)}): its fragments are embedded anew.`,
          );
        for (const { key } of wanted) if (!found.has(key)) this.places.delete(key);
      }
    }
    return complete;
  }

  private forget(key: VectorKey, segment: Segment): void {
    this.places.delete(key);
    if (this.damaged++ === 0)
      this.options.warn(
        `${segment.path}: expected intact embeddings, found a damaged one: it and others like it are made anew.`,
      );
  }

  /** The segment to append to, made when there is none or the last one is full. */
  private async target(): Promise<NonNullable<VectorStore["writing"]>> {
    if (this.writing !== undefined && this.writing.size < segmentBytes) return this.writing;
    await this.endSegment();
    const name = `vectors-${ownedName()}.bin`;
    const path = join(this.options.directory, name);
    const file = await open(path, "wx");
    beginWriting(name);
    const header = this.header();
    try {
      await writeFully(file, header, 0);
    } catch (error) {
      endWriting(name);
      await file.close();
      await rm(path, { force: true });
      throw error;
    }
    const segment: Segment = { name, path, end: headerBytes };
    this.writing = { segment, number: this.segments.push(segment) - 1, file, size: header.length };
    return this.writing;
  }

  /** Memory for so many records. */
  private block(records: number): RecordBlock {
    return new RecordBlock(records * this.recordBytes, this.options.dimension);
  }

  private header(): Buffer {
    const header = Buffer.alloc(headerBytes);
    header.write(magic, 0, "latin1");
    header.writeUInt32LE(format, 8);
    header.writeUInt32LE(this.options.dimension, 12);
    header.write(this.options.modelHash, 16, 32, "hex");
    checksum(header.subarray(0, 48)).copy(header, 48);
    return header;
  }

  /**
   * Goes over the whole records of a segment; a torn last one is passed over. `visit` gets the memory that holds the
   * record until the next block, its place there, and its offset in the file.
   * @param options.from offset to begin at, default the first record's
   * @param options.afterBlock awaited between two blocks of the file
   * @returns false when the header is not this model's
   */
  private async forEachRecord(
    segment: Segment,
    visit: (block: RecordBlock, at: number, offset: number) => void,
    { from = headerBytes, afterBlock = async () => {} }: { from?: number; afterBlock?: () => Promise<void> } = {},
  ): Promise<boolean> {
    const file = await open(segment.path, "r");
    try {
      const header = Buffer.alloc(headerBytes);
      await file.read(header, 0, headerBytes, 0);
      if (!header.equals(this.header())) return false;
      const perBlock = Math.max(1, Math.floor(blockBytes / this.recordBytes));
      const block = this.block(perBlock);
      for (let offset = from; ; ) {
        const { bytesRead } = await file.read(block.bytes, 0, block.bytes.length, offset);
        for (let at = 0; at + this.recordBytes <= bytesRead; at += this.recordBytes) visit(block, at, offset + at);
        await afterBlock();
        if (bytesRead < block.bytes.length) return true;
        offset += bytesRead;
      }
    } finally {
      await file.close();
    }
  }
}

/** Writes merged segments: under a temporary name first, so that none is ever seen half written. */
class SegmentWriter {
  private pending: Buffer[] = [];
  private file: FileHandle | undefined;
  private path = "";
  private size = 0;
  private readonly finished: string[] = [];

  constructor(
    private readonly directory: string,
    private readonly header: Buffer,
  ) {}

  add(record: Buffer): void {
    this.pending.push(record);
  }

  async write(): Promise<void> {
    if (this.pending.length === 0) return;
    const block = Buffer.concat(this.pending);
    this.pending = [];
    if (this.file === undefined) {
      this.path = join(this.directory, `vectors-${ownedName()}.tmp`);
      this.file = await open(this.path, "wx");
      await writeFully(this.file, this.header, 0);
      this.size = this.header.length;
    }
    await writeFully(this.file, block, this.size);
    this.size += block.length;
    if (this.size >= segmentBytes) await this.complete();
  }

  async finish(): Promise<void> {
    await this.write();
    await this.complete();
    for (const path of this.finished) await rename(path, path.replace(/\.tmp$/, ".bin"));
  }

  async discard(): Promise<void> {
    await this.file?.close().catch(() => {});
    for (const path of [this.path, ...this.finished]) if (path !== "") await rm(path, { force: true });
  }

  private async complete(): Promise<void> {
    if (this.file === undefined) return;
    // The old segments are deleted next: the new ones must be on the disk by then.
    await this.file.sync();
    await this.file.close();
    this.file = undefined;
    this.finished.push(this.path);
    this.path = "";
  }
}

function isSegment(name: string): boolean {
  return name.startsWith("vectors-") && name.endsWith(".bin");
}

function checksum(bytes: Uint8Array): Buffer {
  return createHash("sha256").update(bytes).digest().subarray(0, headerChecksumBytes);
}

async function writeFully(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position + written);
    written += bytesWritten;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
