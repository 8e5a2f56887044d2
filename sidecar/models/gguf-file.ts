// Opens a GGUF file, and checks its whole header against the file's size before anything is used.
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { open, stat } from "node:fs/promises";
import type { GGUFParseOutput } from "@huggingface/gguf";
import { firstLine } from "../host/errors";
import { type TensorType, tensorType, tensorTypeNames } from "./tensor-types";

/** A GGUF file that is refused. The message names the file, and says what was expected, what was found and what to do. */
export class GgufError extends Error {
  override readonly name = "GgufError";
}

/** A tensor of a GGUF file: `rows` consecutive rows of `columns` numbers. */
export interface GgufTensor {
  readonly name: string;
  readonly type: TensorType;
  /** Numbers in a row: the dimension that GGUF names first. */
  readonly columns: number;
  /** Product of the other dimensions; a vector counts as that many rows of one number. */
  readonly rows: number;
  /** Of its first byte in the file. */
  readonly offset: number;
  readonly bytes: number;
}

/** Limits far above any model that this program converts, and far below what would take much time or memory. */
const max = {
  tensors: 10_000,
  metadata: 1_000,
  /** Twice the size of a vocabulary of 150,000 tokens with its merges. */
  headerBytes: 12_000_000,
  dimensions: 4,
  nameLength: 64,
  alignment: 2 ** 20,
} as const;
const defaultAlignment = 32;
/** Magic number, version, and the two counts. */
const fixedHeaderBytes = 24;
const hashedAtOnce = 1 << 20;
const again = "Download the file again, or choose another one.";

/** An open file, to be closed by {@link close}. */
export class GgufFile {
  private constructor(
    readonly path: string,
    /** Size of the file. */
    readonly bytes: number,
    private readonly changedMs: number,
    private readonly handle: FileHandle,
    private readonly metadata: ReadonlyMap<string, unknown>,
    /** By name. */
    readonly tensors: ReadonlyMap<string, GgufTensor>,
  ) {}

  /**
   * Opens a file and checks its header.
   * @throws GgufError for a file that is not GGUF, is cut short, or contradicts itself
   */
  static async open(path: string): Promise<GgufFile> {
    const refuse: Refuse = (expected, found, advice = again) => {
      throw new GgufError(`${path}: expected ${expected}, found ${found}. ${advice}`);
    };
    const found = await stat(path).catch((error: unknown) =>
      refuse("a GGUF file", `none (${firstLine(error)})`, "Check the name."),
    );
    // Opening a named pipe would wait for a writer.
    if (!found.isFile())
      refuse("a GGUF file", found.isDirectory() ? "a folder" : "no regular file", "Name the file itself.");
    const handle = await open(path, "r").catch((error: unknown) =>
      refuse("a readable file", firstLine(error), "Check the file's permissions."),
    );
    try {
      const { size, mtimeMs } = await handle.stat();
      await checkBeginning(handle, size, refuse);
      const header = await readHeader(handle, size, refuse);
      const tensors = checkTensors(header, size, refuse);
      return new GgufFile(path, size, mtimeMs, handle, new Map(Object.entries(header.metadata)), tensors);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** A string of the metadata; undefined when there is none with this name and type. */
  text(key: string): string | undefined {
    const value = this.metadata.get(key);
    return typeof value === "string" ? value : undefined;
  }

  /** A number of the metadata; undefined when there is none with this name and type. */
  number(key: string): number | undefined {
    const value = this.metadata.get(key);
    if (typeof value === "bigint") return Number(value);
    return typeof value === "number" ? value : undefined;
  }

  /** A list of strings of the metadata; undefined when there is none with this name and type. */
  texts(key: string): readonly string[] | undefined {
    const value = this.metadata.get(key);
    if (!Array.isArray(value)) return undefined;
    const texts = value.filter((each) => typeof each === "string");
    return texts.length === value.length ? texts : undefined;
  }

  /**
   * Fills `target` with the bytes from `offset` on.
   * @throws GgufError when the file ends before
   */
  async read(target: Uint8Array, offset: number): Promise<void> {
    for (let done = 0; done < target.length; ) {
      const { bytesRead } = await this.handle.read(target, done, target.length - done, offset + done);
      if (bytesRead === 0)
        throw new GgufError(
          `${this.path}: expected ${this.bytes} bytes, found the file cut at ${offset + done}: it was changed while it was read. ${again}`,
        );
      done += bytesRead;
    }
  }

  /** SHA-256 of the whole file, 64 lower-case hexadecimal digits. `onProgress` is called with the bytes read. */
  async sha256(signal: AbortSignal | undefined, onProgress: (bytes: number) => void): Promise<string> {
    const hash = createHash("sha256");
    const block = Buffer.alloc(hashedAtOnce);
    for (let done = 0; done < this.bytes; done += block.length) {
      signal?.throwIfAborted();
      const part = block.subarray(0, Math.min(block.length, this.bytes - done));
      await this.read(part, done);
      hash.update(part);
      onProgress(done + part.length);
    }
    return hash.digest("hex");
  }

  /** @throws GgufError when the file was written to since it was opened */
  async checkUnchanged(): Promise<void> {
    const { size, mtimeMs } = await this.handle.stat();
    if (size !== this.bytes || mtimeMs !== this.changedMs)
      throw new GgufError(
        `${this.path}: expected a file that does not change, found it changed while it was read. ${again}`,
      );
  }

  close(): Promise<void> {
    return this.handle.close();
  }
}

type Refuse = (expected: string, found: string, advice?: string) => never;
type Header = GGUFParseOutput<{ strict: false }>;

/** Checks the beginning of the file, so that the library does not get counts that would keep it busy. */
async function checkBeginning(handle: FileHandle, size: number, refuse: Refuse): Promise<void> {
  const beginning = Buffer.alloc(fixedHeaderBytes);
  const { bytesRead } = await handle.read(beginning, 0, fixedHeaderBytes, 0);
  if (beginning.toString("latin1", 0, 4) !== "GGUF")
    refuse(
      'a GGUF file, which begins with "GGUF"',
      bytesRead === 0 ? "an empty file" : JSON.stringify(beginning.toString("latin1", 0, Math.min(4, bytesRead))),
    );
  if (bytesRead < fixedHeaderBytes) refuse("a whole GGUF file", `one of ${size} bytes`);
  const version = beginning.readUInt32LE(4);
  if (version !== 2 && version !== 3) {
    const bigEndian = beginning.readUInt32BE(4);
    if (bigEndian === 2 || bigEndian === 3) refuse("a little-endian GGUF file", "a big-endian one");
    refuse("version 2 or 3 of the GGUF format", String(version));
  }
  const tensors = beginning.readBigUInt64LE(8);
  if (tensors === 0n || tensors > BigInt(max.tensors)) refuse(`1 to ${max.tensors} tensors`, String(tensors));
  const metadata = beginning.readBigUInt64LE(16);
  if (metadata > BigInt(max.metadata)) refuse(`at most ${max.metadata} entries of metadata`, String(metadata));
}

/**
 * The library reads ranges of a URL through this function, which reads them from the open file: the header stays bounded (the
 * library reads a long list again for each range), and it is the header of the file that is converted.
 */
async function readHeader(handle: FileHandle, size: number, refuse: Refuse): Promise<Header> {
  const readPiece = async (_address: unknown, request?: RequestInit): Promise<Response> => {
    const [, first = "0", last = "0"] =
      /^bytes=(\d+)-(\d+)$/.exec(new Headers(request?.headers).get("range") ?? "") ?? [];
    const from = Number(first);
    if (from >= max.headerBytes) refuse(`a header of at most ${max.headerBytes} bytes`, "a longer one");
    const piece = Buffer.alloc(Math.max(0, Math.min(Number(last) + 1, size) - from));
    const { bytesRead } = await handle.read(piece, 0, piece.length, from);
    return new Response(piece.subarray(0, bytesRead));
  };
  try {
    // Loaded when needed: most commands never read a GGUF file.
    const { gguf } = await import("@huggingface/gguf");
    return await gguf("https://file.invalid", { fetch: readPiece });
  } catch (error) {
    if (error instanceof GgufError) throw error;
    return refuse("a GGUF header", `something else (${firstLine(error)})`);
  }
}

function checkTensors(header: Header, size: number, refuse: Refuse): Map<string, GgufTensor> {
  const [, headerEnd] = header.tensorInfoByteRange;
  // After the file's end the library reads zeros.
  if (headerEnd > size) refuse(`a header of at least ${headerEnd} bytes`, `the file cut at ${size}`);
  const alignment = alignmentOf(header, refuse);
  const start = Math.ceil(headerEnd / alignment) * alignment;
  const tensors = new Map<string, GgufTensor>();
  for (const info of header.tensorInfos) {
    if (tensors.has(info.name)) refuse(`one tensor ${info.name}`, "two");
    tensors.set(info.name, checkTensor(info, { start, alignment, size }, refuse));
  }
  let before: GgufTensor | undefined;
  for (const tensor of [...tensors.values()].sort((a, b) => a.offset - b.offset)) {
    if (before !== undefined && tensor.offset < before.offset + before.bytes)
      refuse("tensors that do not overlap", `${tensor.name} inside ${before.name}`);
    before = tensor;
  }
  return tensors;
}

/** @param file where the tensors' data begin, the alignment of their offsets, and the file's size */
function checkTensor(
  { name, shape, dtype, offset }: Header["tensorInfos"][number],
  { start, alignment, size }: { readonly start: number; readonly alignment: number; readonly size: number },
  refuse: Refuse,
): GgufTensor {
  if (name.length > max.nameLength || !/^[\w.-]+$/.test(name))
    refuse("tensor names of at most 64 letters, digits and dots", JSON.stringify(name.slice(0, max.nameLength)));
  const { columns, rows } = dimensionsOf(name, shape, size, refuse);
  const type = tensorType(dtype);
  if (type === undefined)
    return refuse(
      `numbers stored as ${tensorTypeNames.join(", ")} in ${name}`,
      `the type with number ${dtype}`,
      "Choose a file with another quantisation of this model.",
    );
  // A vector is stored as one row of whole blocks.
  const rowLength = shape.length === 1 ? rows : columns;
  if (rowLength % type.blockSize !== 0)
    refuse(`rows of whole blocks of ${type.blockSize} numbers (${type.name}) in ${name}`, `rows of ${rowLength}`);
  const bytes = ((columns * rows) / type.blockSize) * type.blockBytes;
  if (offset % BigInt(alignment) !== 0n)
    refuse(`the data of ${name} at a multiple of ${alignment} bytes`, String(offset));
  const end = BigInt(start) + offset + BigInt(bytes);
  if (end > BigInt(size)) refuse(`at least ${end} bytes (the data of ${name} ends there)`, `the file cut at ${size}`);
  return { name, type, columns, rows, offset: start + Number(offset), bytes };
}

function alignmentOf(header: Header, refuse: Refuse): number {
  const found: unknown = header.metadata["general.alignment"] ?? defaultAlignment;
  if (typeof found !== "number" || !Number.isInteger(Math.log2(found)) || found < 1 || found > max.alignment)
    return refuse(`general.alignment to be a power of two up to ${max.alignment}`, String(found).slice(0, 40));
  return found;
}

/** No tensor may have more numbers than the file has bits, so that the products below are exact. */
function dimensionsOf(
  name: string,
  shape: readonly bigint[],
  size: number,
  refuse: Refuse,
): { columns: number; rows: number } {
  if (shape.length < 1 || shape.length > max.dimensions)
    refuse(`1 to ${max.dimensions} dimensions of ${name}`, String(shape.length));
  const numbers = shape.reduce((product, each) => product * each, 1n);
  if (numbers < 1n || numbers > BigInt(size) * 8n)
    refuse(`${name} to fit into the file of ${size} bytes`, `${shape.join(" x ")} numbers`);
  const [columns = 1n, ...others] = shape;
  if (others.length === 0) return { columns: 1, rows: Number(columns) };
  return { columns: Number(columns), rows: Number(others.reduce((product, each) => product * each, 1n)) };
}
