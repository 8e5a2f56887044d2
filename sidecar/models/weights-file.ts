// Writes one file of weights from a GGUF file, by the entries of a recipe, a few rows at a time.
import { type FileHandle, open } from "node:fs/promises";
import { GgufError, type GgufFile } from "./gguf-file";
import { JoinedTensors } from "./joined-tensors";
import { placesOf, type RecipeEntry, type RecipeFile } from "./recipe";
import { multiplyColumns, roundRows, turnInto } from "./row-arithmetic";
import { checkTied } from "./tied-tensors";

/** How much is in memory at a time. It does not change what is written. */
export interface SliceLimits {
  /** Numbers that are read and rounded at a time, in float32; at least one row. */
  readonly numbers: number;
  /** Bytes of a matrix that are transposed at a time; columns are written in as many pieces as that takes. */
  readonly turnedBytes: number;
}

const defaultLimits: SliceLimits = { numbers: 2 ** 20, turnedBytes: 2 ** 25 };

interface WeightsSource {
  readonly gguf: GgufFile;
  /** Of factors.bin. */
  readonly factors: Float32Array;
  /** Of int8 codes: 127 or 63. */
  readonly maxCode: number;
  readonly signal: AbortSignal | undefined;
  /** Called with the numbers written so far. */
  readonly onProgress: (numbers: number) => void;
  readonly limits?: SliceLimits;
}

/** What the entries of a file read from the GGUF file. */
interface Part {
  readonly entry: RecipeEntry;
  readonly matrix: JoinedTensors;
  readonly firstRow: number;
  readonly rows: number;
}

/**
 * Finds the tensors of every entry, with the shapes that the graph needs, before anything is written.
 * @throws GgufError when one is missing or has another shape
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
    // In a vector, a row is one number, and each has its factor.
    const factored = columns > 1 ? columns : rows;
    if (
      end > matrix.rows ||
      rows * columns !== numbers ||
      rows !== wantedRows ||
      (entry.columnFactors?.count ?? factored) !== factored
    )
      throw new GgufError(
        `${gguf.path}: expected ${numbers} numbers in ${Math.max(wantedRows, end)} rows of ${entry.tensors.flat().join(", ")}, found ${matrix.rows} rows of ${columns}. Choose a file of this model.`,
      );
    return { entry, matrix, firstRow, rows };
  });
}

/** How many numbers {@link writeWeights} writes. */
export function numbersOf(parts: readonly Part[]): number {
  return parts.reduce((sum, { matrix, rows }) => sum + rows * matrix.columns, 0);
}

/**
 * Writes the file, with zeros between entries, and waits until it is on disk.
 * @throws GgufError for numbers that are not finite; the signal's reason when `source.signal` is aborted; errors of the system,
 * for example of a full disk.
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

/** Bytes of a file with these entries. */
export function bytesOf({ entries }: RecipeFile): number {
  return Math.max(...entries.flatMap(placesOf).map(({ offset, bytes }) => offset + bytes));
}

/** Reads, multiplies, rounds and writes slices of rows, with the same buffers for all. */
class Slices {
  private readonly limits: SliceLimits;
  private floats: Float32Array;
  private codes: Int8Array;
  private written = 0;

  constructor(
    private readonly file: FileHandle,
    private readonly source: WeightsSource,
  ) {
    this.limits = source.limits ?? defaultLimits;
    this.floats = new Float32Array(this.limits.numbers);
    this.codes = new Int8Array(this.limits.numbers);
  }

  async write(part: Part): Promise<void> {
    const { entry, matrix, rows } = part;
    const { columns } = matrix;
    const width = entry.store === "float32" ? 4 : 1;
    const rowsAtOnce = Math.max(1, Math.floor(this.limits.numbers / columns));
    if (columns > this.floats.length) {
      this.floats = new Float32Array(columns);
      this.codes = new Int8Array(columns);
    }
    const scales = new Float32Array(entry.store === "float32" ? 0 : rows);
    const start = entry.store === "float32" ? entry.values.offset : entry.codes.offset;
    const turned = entry.layout === "transposed";
    const panelRows = turned
      ? Math.min(rows, Math.max(1, Math.floor(this.limits.turnedBytes / (columns * width))))
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

  /** Rows `from` to `to` of an entry as they are stored; scales of int8 rows are written to `scales`. */
  private async slice(part: Part, from: number, to: number, scales: Float32Array): Promise<Float32Array | Int8Array> {
    this.source.signal?.throwIfAborted();
    const { entry, matrix, firstRow } = part;
    const { columns } = matrix;
    const floats = this.floats.subarray(0, (to - from) * columns);
    await matrix.read(firstRow + from, firstRow + to, floats);
    const factors = used(entry.columnFactors, this.source.factors);
    multiplyColumns(floats, columns > 1 ? factors : factors?.subarray(from, to));
    if (entry.store === "float32") return floats;
    const codes = this.codes.subarray(0, floats.length);
    roundRows(floats, columns, this.source.maxCode, codes, scales.subarray(from, to));
    return codes;
  }

  /** A panel of transposed rows: whole columns when it has all rows, else a piece of each. */
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

function used(
  place: { readonly offset: number; readonly count: number } | undefined,
  factors: Float32Array,
): Float32Array | undefined {
  return place && factors.subarray(place.offset, place.offset + place.count);
}
