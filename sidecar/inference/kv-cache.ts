// The KV cache of the most recent prompts, looked up by the longest common prefix of their tokens.
import type { OnnxValue } from "onnxruntime-node";
import { type CacheNumbers, type NewRows, type Past, pastNeed, pastOf } from "./graph";
import type { OnnxRuntime } from "./onnx-runtime";

/** The size of a token's row in the cache: its key and value in each layer, and its need. */
export interface CacheShape {
  readonly layers: number;
  readonly keyValueHeads: number;
  readonly headDim: number;
  /** Type of keys and values; needs are always float32. */
  readonly type: "float32" | "float16";
  /** Length of a token's need in one layer: twice the adapter's rank. */
  readonly needLength: number;
}

/** Capacities are multiples of this many tokens, with at least this many free, so that a growing entry seldom moves. */
const step = 64;
/** An entry reuses the memory of an evicted one that is at most this many times as large as needed. */
const maxWaste = 1.5;
/** When less than this share of an entry is reused, the entry is kept and the prefix is copied. */
const minSharedPart = 0.5;

/** An input buffer of the graph: blocks with one row a token. */
interface RowBuffer {
  readonly part: keyof NewRows;
  readonly numbers: CacheNumbers;
  /** Number of blocks: heads of a layer's keys or values, or layers of needs. */
  readonly blocks: number;
  /** Length of a row. */
  readonly size: number;
}

/** The tokens of one text, with their keys, values and needs. */
export class KvCacheEntry {
  private tokens = new Int32Array(0);
  private count = 0;
  private buffers: readonly RowBuffer[] = [];
  /** The same buffers by the graph's input names. */
  private tensors: ReadonlyMap<string, OnnxValue> = new Map();
  private capacity = 0;
  /** The memory of all buffers, concatenated. */
  private slab = new ArrayBuffer(0);

  constructor(
    private readonly runtime: OnnxRuntime,
    private readonly shape: CacheShape,
  ) {}

  get length(): number {
    return this.count;
  }

  /** The allocated memory. */
  get bytes(): number {
    return this.slab.byteLength;
  }

  /** The length of the common prefix with `tokens`. */
  commonLength(tokens: Int32Array): number {
    const max = Math.min(this.count, tokens.length);
    let same = 0;
    while (same < max && this.tokens[same] === tokens[same]) same++;
    return same;
  }

  /** Drops all but the first `length` tokens. */
  trim(length: number): void {
    this.count = Math.min(this.count, length);
  }

  /** Whether the capacity is at least `length` tokens. */
  hasRoomFor(length: number): boolean {
    return length <= this.capacity;
  }

  /** Moves to `slab`, which has room for more than `length` tokens. */
  move(length: number, slab: ArrayBuffer): void {
    this.allocate(roomy(length), slab, this);
  }

  /** A copy of the first `length` tokens in `slab`, which has room for more than `room` (at least `length`) tokens. */
  fork(length: number, room: number, slab: ArrayBuffer): KvCacheEntry {
    const copy = new KvCacheEntry(this.runtime, this.shape);
    copy.count = length;
    copy.allocate(roomy(room), slab, this);
    return copy;
  }

  /** Empties the entry. @returns its memory, to be reused */
  release(): ArrayBuffer {
    const { slab } = this;
    this.slab = new ArrayBuffer(0);
    this.count = this.capacity = 0;
    this.buffers = [];
    this.tensors = new Map();
    return slab;
  }

  /** The graph's inputs: the buffers themselves, without a copy. Undefined for an empty entry. */
  past(): Past | undefined {
    return this.length === 0 ? undefined : { length: this.length, tensors: this.tensors };
  }

  /** Appends the rows that a run computed for the next `tokens` of this text. There must be room. */
  append(tokens: Int32Array, rows: NewRows): void {
    // The rows of all layers are concatenated, and each layer has as many blocks as a buffer.
    const written = { key: 0, value: 0, need: 0 };
    for (const { part, numbers, blocks, size } of this.buffers) {
      const computed = rows[part];
      const length = tokens.length * size;
      for (let block = 0; block < blocks; block++) {
        numbers.set(
          computed.subarray(written[part], written[part] + length),
          (block * this.capacity + this.count) * size,
        );
        written[part] += length;
      }
    }
    this.tokens.set(tokens, this.count);
    this.count += tokens.length;
  }

  /** Allocates buffers of this capacity in `slab`, and copies the rows of this text from `source`. */
  private allocate(capacity: number, slab: ArrayBuffer, source: KvCacheEntry): void {
    const { layers, keyValueHeads, headDim, needLength, type } = this.shape;
    const buffers: RowBuffer[] = [];
    const tensors = new Map<string, OnnxValue>();
    let start = 0;
    const add = (name: string, part: RowBuffer["part"], dims: readonly number[]): void => {
      const size = dims.at(-1) ?? 0;
      const length = dims.reduce((product, dim) => product * dim, 1);
      const kind = part === "need" ? "float32" : type;
      const numbers = kind === "float16" ? new Uint16Array(slab, start, length) : new Float32Array(slab, start, length);
      start += numbers.byteLength;
      const blocks = length / (capacity * size);
      const before = source.buffers[buffers.length]?.numbers;
      for (let block = 0; block < blocks && before !== undefined; block++) {
        const from = block * source.capacity * size;
        numbers.set(before.subarray(from, from + this.count * size), block * capacity * size);
      }
      buffers.push({ part, numbers, blocks, size });
      tensors.set(name, new this.runtime.Tensor(kind, numbers, dims));
    };
    // Float32 first, because it must be aligned to four bytes.
    add(pastNeed, "need", [layers, 1, capacity, needLength]);
    for (let layer = 0; layer < layers; layer++)
      for (const part of ["key", "value"] as const)
        add(pastOf(layer, part), part, [1, keyValueHeads, capacity, headDim]);
    const ids = new Int32Array(capacity);
    ids.set(source.tokens.subarray(0, this.count));
    this.tokens = ids;
    this.buffers = buffers;
    this.tensors = tensors;
    this.capacity = capacity;
    this.slab = slab;
  }
}

/** The capacity for more than `length` tokens. */
function roomy(length: number): number {
  return (Math.ceil(length / step) + 1) * step;
}

function bytesOfToken({ layers, keyValueHeads, headDim, needLength, type }: CacheShape): number {
  return layers * (2 * keyValueHeads * headDim * (type === "float16" ? 2 : 4) + needLength * 4);
}

/** The entries of documents and queries within a memory limit; the least recently used one is evicted first. */
export class KvCachePool {
  /** The most recently used one is the last. */
  private entries: KvCacheEntry[] = [];

  /** @param bytes limit of all entries together; a single entry in use may exceed it. */
  constructor(
    private readonly runtime: OnnxRuntime,
    private readonly shape: CacheShape,
    private readonly bytes: number,
  ) {}

  /** Number of entries. */
  get size(): number {
    return this.entries.length;
  }

  /** Memory of all entries. */
  get usedBytes(): number {
    return this.entries.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /**
   * An entry with exactly the longest cached prefix of `tokens`, at most `max` of them. It has room for all
   * of `tokens` unless it is empty. An entry of which only a small part is reused is copied: it belongs to another document that
   * begins with the same tokens.
   */
  take(tokens: Int32Array, max: number): KvCacheEntry {
    let best: KvCacheEntry | undefined;
    let maxLength = 0;
    for (const entry of this.entries) {
      const common = Math.min(entry.commonLength(tokens), max);
      // Among equally long ones, the most recently used one: it is probably the same text.
      if (common > 0 && common >= maxLength) [best, maxLength] = [entry, common];
    }
    let taken: KvCacheEntry;
    if (best !== undefined && maxLength < minSharedPart * best.length)
      taken = best.fork(maxLength, tokens.length, this.slab(tokens.length, best));
    else {
      taken = best ?? new KvCacheEntry(this.runtime, this.shape);
      taken.trim(maxLength);
      if (maxLength > 0) this.makeRoom(taken, tokens.length);
    }
    this.entries = [...this.entries.filter((entry) => entry !== taken && entry.bytes > 0), taken];
    // An entry without memory reuses memory of others.
    while (taken.bytes > 0 && this.entries.length > 1 && this.usedBytes > this.bytes) this.entries.shift();
    return taken;
  }

  /** Makes room for `length` tokens in an entry that {@link take} returned. */
  makeRoom(entry: KvCacheEntry, length: number): void {
    if (!entry.hasRoomFor(length)) entry.move(length, this.slab(length, entry));
  }

  /**
   * Memory for an entry of `length` tokens. Evicts the least recently used entries, except `source`, and reuses the memory of
   * one that is about as large, because allocating pages takes as long as copying into them.
   */
  private slab(length: number, source: KvCacheEntry): ArrayBuffer {
    const wanted = roomy(length) * bytesOfToken(this.shape);
    let found: ArrayBuffer | undefined;
    for (const oldest of this.entries) {
      if (this.usedBytes + wanted <= this.bytes) break;
      if (oldest === source) continue;
      this.entries = this.entries.filter((entry) => entry !== oldest);
      const slab = oldest.release();
      if (slab.byteLength >= wanted && slab.byteLength <= maxWaste * wanted) found = slab;
    }
    if (found === undefined) return new ArrayBuffer(wanted);
    // Old rows do no harm when they are read as the same type.
    if (this.shape.type === "float16") new Uint8Array(found).fill(0);
    return found;
  }
}
