// Memory for rows of 16-bit integers, with the kernel that multiplies them: WebAssembly, or JavaScript without it.
import { scanKernelModule } from "./scan-kernel.generated";

export const pageBytes = 65536;
/** The limit of 32-bit addresses. Only pages that are written to take memory. */
export const maxPages = 65536;
const firstPages = 2;

interface RowMemory {
  /** Changes when the memory grows. */
  readonly buffer: ArrayBuffer;
  /** @throws RangeError when there is not enough memory */
  grow(pages: number): void;
  /**
   * Inner products of one query with consecutive rows. All offsets are in bytes; a row has a multiple of 16 bytes, and every
   * product fits 32 bits.
   * @param count rows; up to three more are read and their products written.
   */
  scan(query: number, rows: number, count: number, products: number, bytes: number): void;
}

/**
 * WebAssembly reserves gigabytes of addresses, which fails under a limit (`ulimit -v`), and its SIMD needs a processor that has it.
 * Without it, searches take several times as long and give the same results.
 */
export function createRowMemory(): RowMemory {
  try {
    return new KernelMemory();
  } catch {
    return new PlainMemory();
  }
}

class KernelMemory implements RowMemory {
  readonly scan: RowMemory["scan"];
  private readonly memory = new WebAssembly.Memory({ initial: firstPages, maximum: maxPages });

  constructor() {
    const module = new WebAssembly.Module(Uint8Array.from(Buffer.from(scanKernelModule, "base64")));
    const { scan } = new WebAssembly.Instance(module, { m: { m: this.memory } }).exports;
    if (typeof scan !== "function")
      throw new Error("expected the scan kernel to export scan, found none: run npm run generate");
    this.scan = (query, rows, count, products, bytes) => void scan(query, rows, count, products, bytes);
  }

  get buffer(): ArrayBuffer {
    return this.memory.buffer;
  }

  grow(pages: number): void {
    this.memory.grow(pages);
  }
}

class PlainMemory implements RowMemory {
  buffer = new ArrayBuffer(firstPages * pageBytes);

  grow(pages: number): void {
    const grown = new ArrayBuffer(this.buffer.byteLength + pages * pageBytes);
    new Uint8Array(grown).set(new Uint8Array(this.buffer));
    this.buffer = grown;
  }

  scan(query: number, rows: number, count: number, products: number, bytes: number): void {
    const values = new Int16Array(this.buffer);
    const sums = new Int32Array(this.buffer, products, count);
    const width = bytes / 2;
    for (let row = 0; row < count; row++) {
      const start = rows / 2 + row * width;
      let sum = 0;
      for (let i = 0; i < width; i++) sum += (values[query / 2 + i] ?? 0) * (values[start + i] ?? 0);
      sums[row] = sum;
    }
  }
}
