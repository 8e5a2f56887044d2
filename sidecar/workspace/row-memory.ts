// Vectors as rows of 16-bit integers in one growing memory: half the size of floats, and exact to what the store keeps.
import { type Quantized, roundInto, steps } from "./quantized";
import { rowsAtOnce, type ScanKernel, scanKernel } from "./scan-kernel";

/** Rows that are allocated and scanned together. */
export const blockRows = 64;
const pageBytes = 65536;
/** Share by which the memory grows. */
const growth = 0.5;
/** The most that 32-bit addresses reach; only what is touched takes memory. */
const mostPages = 65536;
/** At the beginning: the query, then one sum for each row of a block. */
const sumsAt = 8192 * 2;
const firstBlockAt = 65536;

/**
 * A component is i16 / 32767 x the row's scale, as in the store on disk. A row is addressed by its slot: block number x
 * {@link blockRows} + place in the block. Scores are inner products, the query rounded to what keeps sums in 32 bits
 * (an error of about 2e-5 for unit vectors); {@link RowMemory.score} does not round.
 */
export class RowMemory {
  private readonly memory = new WebAssembly.Memory({ initial: 2, maximum: mostPages });
  private readonly kernel: ScanKernel = scanKernel(this.memory);
  private values = new Int16Array(this.memory.buffer);
  private sums = new Int32Array(this.memory.buffer, sumsAt, blockRows);
  private scales = new Float32Array(blockRows);
  private readonly free: number[] = [];
  private blocks = 0;
  /** Of a row's integers: bounds the sums. */
  private largestNorm = 1;
  private query: Float32Array = new Float32Array(0);
  private queryScale = 1;
  /** Integers of a row, padded with zeros. */
  private readonly width: number;
  private readonly bytes: number;

  /** @param dimension at most 8192 */
  constructor(readonly dimension: number) {
    if (dimension > sumsAt / 2) throw new RangeError(`expected at most ${sumsAt / 2} dimensions, found ${dimension}`);
    this.width = Math.ceil(dimension / 8) * 8;
    this.bytes = this.width * 2;
  }

  /** Number of a block whose rows are free to be written. */
  allocate(): number {
    const freed = this.free.pop();
    if (freed !== undefined) return freed;
    const block = this.blocks++;
    const end = firstBlockAt + (this.blocks * blockRows + rowsAtOnce) * this.bytes;
    if (end > this.memory.buffer.byteLength) {
      // By a share of what there is: the garbage collector takes every growth for that much new memory. Untouched pages take none.
      const pages = this.memory.buffer.byteLength / pageBytes;
      const wanted = Math.max(Math.ceil(end / pageBytes) - pages, Math.ceil(pages * growth));
      this.memory.grow(Math.min(wanted, mostPages - pages));
      this.values = new Int16Array(this.memory.buffer);
      this.sums = new Int32Array(this.memory.buffer, sumsAt, blockRows);
    }
    if (this.blocks * blockRows > this.scales.length) {
      const grown = new Float32Array(this.scales.length * 2);
      grown.set(this.scales);
      this.scales = grown;
    }
    return block;
  }

  release(block: number): void {
    this.free.push(block);
  }

  write(slot: number, { values, scale }: Quantized): void {
    const start = this.startOf(slot);
    this.values.set(values, start);
    this.values.fill(0, start + this.dimension, start + this.width);
    this.scales[slot] = scale / steps;
    let squares = 0;
    for (let i = 0; i < values.length; i++) {
      const value = values[i] ?? 0;
      squares += value * value;
    }
    this.largestNorm = Math.max(this.largestNorm, Math.sqrt(squares));
  }

  copy(from: number, to: number): void {
    const start = this.startOf(from);
    this.values.copyWithin(this.startOf(to), start, start + this.width);
    this.scales[to] = this.scales[from] ?? 0;
  }

  /** Adds the row to `sum`, component by component. */
  addTo(sum: Float64Array, slot: number): void {
    const { values } = this;
    const start = this.startOf(slot);
    const scale = this.scales[slot] ?? 0;
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] ?? 0) + (values[start + i] ?? 0) * scale;
  }

  read(slot: number): Float32Array {
    const { values } = this;
    const start = this.startOf(slot);
    const scale = this.scales[slot] ?? 0;
    const vector = new Float32Array(this.dimension);
    for (let i = 0; i < vector.length; i++) vector[i] = (values[start + i] ?? 0) * scale;
    return vector;
  }

  /** The query of the calls that follow. */
  setQuery(query: Float32Array): void {
    this.query = query;
    let norm = 0;
    for (const x of query) norm += x * x;
    norm = Math.sqrt(norm);
    // By Cauchy and Schwarz no sum, nor any part of one, then leaves 32 bits; rounding may add half a step a component.
    const most = Math.max(1, Math.min(steps, 2 ** 31 / this.largestNorm - Math.sqrt(this.dimension)));
    this.queryScale = norm === 0 ? 0 : norm / most;
    const { values, dimension } = this;
    roundInto(values, query, norm === 0 ? 0 : 1 / this.queryScale);
    values.fill(0, dimension, this.width);
  }

  /** Inner products of the query with `count` rows from the slot `first` on, at most a block, into `scores`. */
  scan(first: number, count: number, scores: Float64Array): void {
    this.kernel(0, firstBlockAt + first * this.bytes, count, sumsAt, this.bytes);
    const { sums, scales, queryScale } = this;
    for (let row = 0; row < count; row++) scores[row] = (sums[row] ?? 0) * (scales[first + row] ?? 0) * queryScale;
  }

  /** Inner product of the query, as it was given, with one row. */
  score(slot: number): number {
    const { query, values } = this;
    const start = this.startOf(slot);
    let sum = 0;
    for (let i = 0; i < query.length; i++) sum += (query[i] ?? 0) * (values[start + i] ?? 0);
    return sum * (this.scales[slot] ?? 0);
  }

  private startOf(slot: number): number {
    return firstBlockAt / 2 + slot * this.width;
  }
}
