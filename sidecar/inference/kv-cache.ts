// What was read of several texts: keys, values and needs in buffers of our own, found again by the tokens they begin with.
import type { OnnxValue } from "onnxruntime-node";
import { type CacheNumbers, type NewRows, type Past, pastNeed, pastOf } from "./graph";
import type { OnnxRuntime } from "./onnx-runtime";

/** What a token leaves in the cache: numbers a layer of one key or value (all its heads), and of one need. */
export interface CacheShape {
  readonly layers: number;
  readonly keyValueHeads: number;
  readonly headDim: number;
  /** Type of keys and values; needs are float32. */
  readonly type: "float32" | "float16";
  /** Numbers of a token's need in one layer: twice the adapter's rank. */
  readonly needLength: number;
}

/** Capacities are multiples of this many tokens, with at least as many to spare, so that a text that grows seldom moves. */
const step = 64;
/** A text takes over the memory of another up to so many times as large as its own would be. */
const mostWaste = 1.5;
/** A text of which less than this share is wanted stays as it is, and the wanted beginning is copied. */
const shareKept = 0.5;

/** A buffer of the graph: in each of its blocks one row a token. */
interface RowBuffer {
  readonly part: keyof NewRows;
  readonly numbers: CacheNumbers;
  /** Heads of a layer's keys or values; layers of needs. */
  readonly blocks: number;
  /** Numbers of a row. */
  readonly size: number;
}

/** Tokens of one text that were read, with their rows. */
export class Sequence {
  private tokens = new Int32Array(0);
  private count = 0;
  private buffers: readonly RowBuffer[] = [];
  /** The same by the graph's input names. */
  private tensors: ReadonlyMap<string, OnnxValue> = new Map();
  private capacity = 0;
  /** All buffers lie in it, one behind the other. */
  private slab = new ArrayBuffer(0);

  constructor(
    private readonly runtime: OnnxRuntime,
    private readonly shape: CacheShape,
  ) {}

  get length(): number {
    return this.count;
  }

  /** The memory it takes, some of which it may not use. */
  get bytes(): number {
    return this.slab.byteLength;
  }

  /** How many tokens at the beginning are those of `tokens`. */
  common(tokens: Int32Array): number {
    const most = Math.min(this.count, tokens.length);
    let same = 0;
    while (same < most && this.tokens[same] === tokens[same]) same++;
    return same;
  }

  /** Forgets what lies behind the first `length` tokens. */
  trim(length: number): void {
    this.count = Math.min(this.count, length);
  }

  /** Whether there is room for `length` tokens in all. */
  holds(length: number): boolean {
    return length <= this.capacity;
  }

  /** Moves to `slab`, which has room for so many tokens and some to spare. */
  move(length: number, slab: ArrayBuffer): void {
    this.allocate(roomy(length), slab, this);
  }

  /** The first `length` tokens in a text of their own, in `slab` with room for `room` tokens, which are no fewer, and some to spare. */
  fork(length: number, room: number, slab: ArrayBuffer): Sequence {
    const copy = new Sequence(this.runtime, this.shape);
    copy.count = length;
    copy.allocate(roomy(room), slab, this);
    return copy;
  }

  /** Gives its memory to another text: this one ends. */
  end(): ArrayBuffer {
    const { slab } = this;
    this.slab = new ArrayBuffer(0);
    this.count = this.capacity = 0;
    this.buffers = [];
    this.tensors = new Map();
    return slab;
  }

  /** What the graph takes: the buffers as they are, without a copy. A text that has not begun needs none. */
  past(): Past | undefined {
    return this.length === 0 ? undefined : { length: this.length, tensors: this.tensors };
  }

  /** Takes the rows that a run made of `tokens`, the next ones of this text. There must be room. */
  append(tokens: Int32Array, rows: NewRows): void {
    // Rows of all layers lie one behind the other, with as many blocks a layer as a buffer has.
    const written = { key: 0, value: 0, need: 0 };
    for (const { part, numbers, blocks, size } of this.buffers) {
      const made = rows[part];
      const length = tokens.length * size;
      for (let block = 0; block < blocks; block++) {
        numbers.set(made.subarray(written[part], written[part] + length), (block * this.capacity + this.count) * size);
        written[part] += length;
      }
    }
    this.tokens.set(tokens, this.count);
    this.count += tokens.length;
  }

  /** Buffers of that capacity in `slab`, with the rows of this text out of `source`'s. */
  private allocate(capacity: number, slab: ArrayBuffer, source: Sequence): void {
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
    // Numbers of four bytes first: they must lie at multiples of four.
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

/** A capacity for `length` tokens and some more. */
function roomy(length: number): number {
  return (Math.ceil(length / step) + 1) * step;
}

function bytesOfToken({ layers, keyValueHeads, headDim, needLength, type }: CacheShape): number {
  return layers * (2 * keyValueHeads * headDim * (type === "float16" ? 2 : 4) + needLength * 4);
}

/** The texts held: documents and queries, the least recently used one goes first where memory ends. */
export class SequencePool {
  /** The last used is the last. */
  private sequences: Sequence[] = [];

  /** @param bytes bound of what all hold together; the text in use may exceed it alone. */
  constructor(
    private readonly runtime: OnnxRuntime,
    private readonly shape: CacheShape,
    private readonly bytes: number,
  ) {}

  /** Texts held. */
  get size(): number {
    return this.sequences.length;
  }

  /** Bytes held. */
  get held(): number {
    return this.sequences.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /**
   * A text that holds as long a beginning of `tokens` as any did, `most` at the most, and nothing else, with room for all of
   * them unless it holds none. A text of which only a small part is wanted stays and is copied: another document begins alike.
   */
  take(tokens: Int32Array, most: number): Sequence {
    let best: Sequence | undefined;
    let longest = 0;
    for (const sequence of this.sequences) {
      const common = Math.min(sequence.common(tokens), most);
      // Among equals the one used last: it is the one that a text grows in.
      if (common > 0 && common >= longest) [best, longest] = [sequence, common];
    }
    let taken: Sequence;
    if (best !== undefined && longest < shareKept * best.length)
      taken = best.fork(longest, tokens.length, this.slab(tokens.length, best));
    else {
      taken = best ?? new Sequence(this.runtime, this.shape);
      taken.trim(longest);
      if (longest > 0) this.makeRoom(taken, tokens.length);
    }
    this.sequences = [...this.sequences.filter((sequence) => sequence !== taken && sequence.bytes > 0), taken];
    // Where it has no memory yet, that of the others is for it.
    while (taken.bytes > 0 && this.sequences.length > 1 && this.held > this.bytes) this.sequences.shift();
    return taken;
  }

  /** Gives a text that was taken room for `length` tokens in all. */
  makeRoom(sequence: Sequence, length: number): void {
    if (!sequence.holds(length)) sequence.move(length, this.slab(length, sequence));
  }

  /**
   * Memory for a text of `length` tokens. Texts used longest ago make room for it, all but `source`, and the memory of one
   * serves again where it is about as large: the system takes as long to hand out new pages as copying into them takes.
   */
  private slab(length: number, source: Sequence): ArrayBuffer {
    const wanted = roomy(length) * bytesOfToken(this.shape);
    let found: ArrayBuffer | undefined;
    for (const oldest of this.sequences) {
      if (this.held + wanted <= this.bytes) break;
      if (oldest === source) continue;
      this.sequences = this.sequences.filter((sequence) => sequence !== oldest);
      const slab = oldest.end();
      if (slab.byteLength >= wanted && slab.byteLength <= mostWaste * wanted) found = slab;
    }
    if (found === undefined) return new ArrayBuffer(wanted);
    // Rows of the other text do no harm where they are read as numbers of the same type.
    if (this.shape.type === "float16") new Uint8Array(found).fill(0);
    return found;
  }
}
