// Writes one file of weights out of a GGUF file, by the entries of a recipe, a few rows at a time.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { GgufError, type GgufFile } from "./gguf-file";
import { JoinedTensors } from "./joined-tensors";
import { type Digest, placesOf, type RecipeEntry, type RecipeFile } from "./recipe";
import { checkTied } from "./tied-tensors";

/** Numbers that are read and rounded at a time, in float32. */
const numbersAtOnce = 2 ** 20;
/** Bytes of a matrix that are turned at a time: columns are written in so many pieces as it takes. */
const turnedBytesAtOnce = 2 ** 25;
/** Scale of a row of zeros, and the smallest there is, before it is divided by the largest code. */
const minMagnitude = Math.fround(1e-20);
/** Added and taken away again, it rounds a float64 of at most 2 ** 31 to a whole number, a half to the even one. */
const rounding = 1.5 * 2 ** 52;

export interface WeightsSource {
  readonly gguf: GgufFile;
  /** Of factors.bin. */
  readonly factors: Float32Array;
  /** Of int8 codes: 127 or 63. */
  readonly largestCode: number;
  readonly signal: AbortSignal | undefined;
  /** Told how many numbers were written, again and again. */
  readonly onProgress: (numbers: number) => void;
}

/** What the entries of a file take from the GGUF file. */
interface Part {
  readonly entry: RecipeEntry;
  readonly matrix: JoinedTensors;
  readonly firstRow: number;
  readonly rows: number;
}

/**
 * Finds the tensors of every entry, with the shapes that the graph needs, before anything is written.
 * @throws GgufError where one is missing or of another shape.
 */
export async function findParts(gguf: GgufFile, { entries }: RecipeFile): Promise<Part[]> {
  for (const { tensors } of entries) await checkTied(gguf, tensors);
  return entries.map((entry) => {
    const matrix = JoinedTensors.find(gguf, entry.tensors);
    const [firstRow, end] = entry.rows ?? [0, matrix.rows];
    const rows = end - firstRow;
    const { columns } = matrix;
    const numbers = entry.store === "float32" ? entry.values.bytes / 4 : entry.codes.bytes;
    const wantedRows = entry.store === "float32" ? rows : entry.scales.bytes / 4;
    const wantedColumns = columns > 1 ? entry.columnFactors?.count : undefined;
    if (
      end > matrix.rows ||
      rows * columns !== numbers ||
      rows !== wantedRows ||
      (wantedColumns ?? columns) !== columns
    )
      throw new GgufError(
        `${gguf.path}: expected ${numbers} numbers in ${Math.max(wantedRows, end)} rows of ${entry.tensors.flat().join(", ")}, found ${matrix.rows} rows of ${columns}. Choose a file of this model.`,
      );
    return { entry, matrix, firstRow, rows };
  });
}

/** How many numbers {@link writeWeights} tells of in the end. */
export function numbersOf(parts: readonly Part[]): number {
  return parts.reduce((sum, { matrix, rows }) => sum + rows * matrix.columns, 0);
}

/**
 * Writes the file, zeros where no entry has a place, and has the disk take it.
 * @throws GgufError for numbers that are not finite; what `source.signal` is aborted with; the system's errors of a full disk and so on.
 */
export async function writeWeights(path: string, parts: readonly Part[], source: WeightsSource): Promise<void> {
  const file = await open(path, "wx");
  try {
    const slices = new Slices(file, source);
    for (const part of parts) await slices.write(part);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Bytes that a file of these entries has. */
export function bytesOf({ entries }: RecipeFile): number {
  return Math.max(...entries.flatMap(placesOf).map(({ offset, bytes }) => offset + bytes));
}

export async function digestOf(path: string, signal: AbortSignal | undefined): Promise<Digest> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const block of createReadStream(path, { highWaterMark: 2 ** 20, signal })) {
    hash.update(block);
    bytes += block.length;
  }
  return { bytes, sha256: hash.digest("hex") };
}

/** Reads, multiplies, rounds and writes slices of rows; its buffers serve all of them. */
class Slices {
  private floats = new Float32Array(numbersAtOnce);
  private codes = new Int8Array(numbersAtOnce);
  private written = 0;

  constructor(
    private readonly file: FileHandle,
    private readonly source: WeightsSource,
  ) {}

  async write(part: Part): Promise<void> {
    const { entry, matrix, rows } = part;
    const { columns } = matrix;
    const width = entry.store === "float32" ? 4 : 1;
    const rowsAtOnce = Math.max(1, Math.floor(numbersAtOnce / columns));
    if (columns > this.floats.length) {
      this.floats = new Float32Array(columns);
      this.codes = new Int8Array(columns);
    }
    const scales = new Float32Array(entry.store === "float32" ? 0 : rows);
    const start = entry.store === "float32" ? entry.values.offset : entry.codes.offset;
    const turned = entry.layout === "transposed";
    const panelRows = turned
      ? Math.min(rows, Math.max(1, Math.floor(turnedBytesAtOnce / (columns * width))))
      : rowsAtOnce;
    for (let first = 0; first < rows; first += panelRows) {
      const end = Math.min(rows, first + panelRows);
      const panel = turned ? panelOf(entry, (end - first) * columns) : undefined;
      for (let from = first; from < end; from += rowsAtOnce) {
        const to = Math.min(end, from + rowsAtOnce);
        const numbers = await this.slice(part, from, to, scales);
        if (panel === undefined) await this.put(numbers, start + from * columns * width);
        else turnInto(panel, numbers, columns, end - first, from - first);
        this.written += numbers.length;
        this.source.onProgress(this.written);
      }
      if (panel !== undefined) await this.putColumns(panel, columns, start, width, rows, first);
    }
    if (entry.store === "int8-rows") await this.put(scales, entry.scales.offset);
  }

  /** Rows `from` to `to` of what an entry stands for, as they are stored; scales of int8 rows go to their place in `scales`. */
  private async slice(part: Part, from: number, to: number, scales: Float32Array): Promise<Float32Array | Int8Array> {
    this.source.signal?.throwIfAborted();
    const { entry, matrix, firstRow } = part;
    const { columns } = matrix;
    const floats = this.floats.subarray(0, (to - from) * columns);
    await matrix.read(firstRow + from, firstRow + to, floats);
    multiply(floats, columns, firstRow + from, entry, this.source.factors);
    if (entry.store === "float32") return floats;
    const codes = this.codes.subarray(0, floats.length);
    roundRows(floats, columns, this.source.largestCode, codes, scales.subarray(from, to));
    return codes;
  }

  /** A panel of turned rows: all of the file's columns where it has all rows, else a piece of each. */
  private async putColumns(
    panel: Float32Array | Int8Array,
    columns: number,
    start: number,
    width: number,
    rows: number,
    first: number,
  ): Promise<void> {
    const length = panel.length / columns;
    if (length === rows) return this.put(panel, start);
    for (let column = 0; column < columns; column++)
      await this.put(panel.subarray(column * length, (column + 1) * length), start + (column * rows + first) * width);
  }

  private async put(numbers: Float32Array | Int8Array, offset: number): Promise<void> {
    const bytes = new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.file.write(bytes, done, bytes.length - done, offset + done);
      done += bytesWritten;
    }
  }
}

function panelOf({ store }: RecipeEntry, length: number): Float32Array | Int8Array {
  return store === "float32" ? new Float32Array(length) : new Int8Array(length);
}

/** Multiplies rows in place by an entry's factors, of which the first row is number `firstRow`; each product is a float32. */
function multiply(
  numbers: Float32Array,
  columns: number,
  firstRow: number,
  { columnFactors, rowFactors }: RecipeEntry,
  factors: Float32Array,
): void {
  const rows = numbers.length / columns;
  if (columnFactors !== undefined && columns > 1) {
    const used = factors.subarray(columnFactors.offset, columnFactors.offset + columnFactors.count);
    for (let row = 0; row < rows; row++)
      for (let column = 0, at = row * columns; column < columns; column++, at++)
        numbers[at] = (numbers[at] ?? 0) * (used[column] ?? 0);
  }
  // Of a vector, the factors of columns go number by number as well.
  for (const used of [columns > 1 ? undefined : columnFactors, rowFactors]) {
    if (used === undefined) continue;
    for (let row = 0; row < rows; row++) {
      const factor = factors[used.offset + firstRow + row] ?? 0;
      for (let at = row * columns; at < (row + 1) * columns; at++) numbers[at] = (numbers[at] ?? 0) * factor;
    }
  }
}

/**
 * Rounds rows to codes between -`largest` and `largest`, ties to even, each with its own scale: its largest magnitude divided by
 * `largest`, in float32.
 */
export function roundRows(
  numbers: Float32Array,
  columns: number,
  largest: number,
  codes: Int8Array,
  scales: Float32Array,
): void {
  for (let row = 0; row < scales.length; row++) {
    const end = (row + 1) * columns;
    let magnitude = minMagnitude;
    for (let at = row * columns; at < end; at++) {
      const each = Math.abs(numbers[at] ?? 0);
      if (each > magnitude) magnitude = each;
    }
    const scale = Math.fround(magnitude / largest);
    scales[row] = scale;
    for (let at = row * columns; at < end; at++)
      codes[at] = Math.fround((numbers[at] ?? 0) / scale) + rounding - rounding;
  }
}

/** Writes rows of `columns` numbers as columns of a panel with `length` rows, the first one at `place`. */
function turnInto(
  panel: Float32Array | Int8Array,
  numbers: Float32Array | Int8Array,
  columns: number,
  length: number,
  place: number,
): void {
  const rows = numbers.length / columns;
  // Sixteen rows at a time: so the places that are written to next to each other stay in the processor's cache.
  for (let block = 0; block < rows; block += 16) {
    const end = Math.min(rows, block + 16);
    for (let column = 0; column < columns; column++) {
      for (let row = block; row < end; row++)
        panel[column * length + place + row] = numbers[row * columns + column] ?? 0;
    }
  }
}
