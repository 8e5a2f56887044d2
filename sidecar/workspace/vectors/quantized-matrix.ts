// Vectors as rows of 16-bit integers in one growing memory: half the size of floats, and equal to the vectors in the store.
import { type Quantized, roundInto, steps } from "./quantized";
import { createRowMemory, maxPages, pageBytes } from "./row-memory";

/** Maximum number of rows whose products are computed in one call. */
export const blockRows = 256;
/** Rows that the kernel reads at once. */
const rowsAtOnce = 4;
const maxDimension = 8192;
/** Factor by which the memory grows, at least. */
const growth = 0.5;
/** Offsets in the memory, in bytes: the query, the products of a block, the rows. */
const queryAt = 0;
const productsAt = maxDimension * 2;
const rowsAt = pageBytes;

/**
 * A component is i16 / 32767 x the row's scale, as in the store on disk. {@link QuantizedMatrix.products} rounds the query so
 * that sums fit 32 bits (an error of about 2e-5 for unit vectors); {@link QuantizedMatrix.product} does not.
 */
export class QuantizedMatrix {
  private readonly memory = createRowMemory();
  private values = new Int16Array(this.memory.buffer);
  private sums = new Int32Array(this.memory.buffer, productsAt, blockRows);
  private scales = new Float32Array(blockRows);
  /** The largest norm of a row of integers; it bounds the sums. */
  private maxNorm = 1;
  private queryScale = 1;
  /** Integers of a row, padded with zeros to a multiple of what the kernel reads at once. */
  private readonly width: number;

  /** @param dimension at most 8192 */
  constructor(readonly dimension: number) {
    if (dimension > maxDimension)
      throw new RangeError(`expected at most ${maxDimension} dimensions, found ${dimension}: use another model`);
    this.width = Math.ceil(dimension / 8) * 8;
  }

  /** Writes a row; rows are used without gaps. */
  write(row: number, { values, scale }: Quantized): void {
    this.reserve(row + 1);
    const start = this.startOf(row);
    this.values.set(values, start);
    this.values.fill(0, start + this.dimension, start + this.width);
    this.scales[row] = scale / steps;
    let squares = 0;
    for (const value of values) squares += value * value;
    this.maxNorm = Math.max(this.maxNorm, Math.sqrt(squares));
  }

  copy(from: number, to: number): void {
    const start = this.startOf(from);
    this.values.copyWithin(this.startOf(to), start, start + this.width);
    this.scales[to] = this.scales[from] ?? 0;
  }

  /** The floats of a row. */
  read(row: number): Float32Array {
    const start = this.startOf(row);
    const scale = this.scales[row] ?? 0;
    return Float32Array.from(this.values.subarray(start, start + this.dimension), (value) => value * scale);
  }

  /** Sets the query for the following calls of {@link QuantizedMatrix.products}. */
  setQuery(query: Float32Array): void {
    let squares = 0;
    for (const x of query) squares += x * x;
    const norm = Math.sqrt(squares);
    // By the Cauchy-Schwarz inequality all partial sums then fit 32 bits; rounding adds at most half a step per component.
    const length = Math.max(1, Math.min(steps, 2 ** 31 / this.maxNorm - Math.sqrt(this.dimension)));
    this.queryScale = norm / length;
    roundInto(this.values, query, norm === 0 ? 0 : length / norm);
    this.values.fill(0, this.dimension, this.width);
  }

  /** Writes the inner products of the query with `count` rows from `first` (at most {@link blockRows}) to `products`. */
  products(first: number, count: number, products: Float64Array): void {
    this.memory.scan(queryAt, this.startOf(first) * 2, count, productsAt, this.width * 2);
    const { sums, scales, queryScale } = this;
    for (let row = 0; row < count; row++) products[row] = (sums[row] ?? 0) * (scales[first + row] ?? 0) * queryScale;
  }

  /** Inner product of one row with a query that is not rounded. */
  product(query: Float32Array, row: number): number {
    const { values } = this;
    const start = this.startOf(row);
    let sum = 0;
    for (let i = 0; i < query.length; i++) sum += (query[i] ?? 0) * (values[start + i] ?? 0);
    return sum * (this.scales[row] ?? 0);
  }

  /** Index of a row's first integer. */
  private startOf(row: number): number {
    return rowsAt / 2 + row * this.width;
  }

  private reserve(rows: number): void {
    const end = this.startOf(rows + rowsAtOnce) * 2;
    const bytes = this.memory.buffer.byteLength;
    if (end > bytes) {
      // In large steps, because the garbage collector counts the whole memory anew at every growth. Untouched pages take no memory.
      const pages = bytes / pageBytes;
      const wanted = Math.max(Math.ceil((end - bytes) / pageBytes), Math.ceil(pages * growth));
      this.memory.grow(Math.min(wanted, maxPages - pages));
      this.values = new Int16Array(this.memory.buffer);
      this.sums = new Int32Array(this.memory.buffer, productsAt, blockRows);
    }
    if (rows > this.scales.length) {
      const grown = new Float32Array(this.scales.length * 2);
      grown.set(this.scales);
      this.scales = grown;
    }
  }
}
