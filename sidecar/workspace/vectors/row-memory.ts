// The memory that rows of 16-bit integers lie in, with the kernel that multiplies them: WebAssembly, or plain JavaScript without it.
import { scanKernelModule } from "./scan-kernel.generated";

export const pageBytes = 65536;
/** The most that 32-bit addresses reach; only what is touched takes memory. */
export const maxPages = 65536;
const firstPages = 2;

export interface RowMemory {
  /** Another one after growing. */
  readonly buffer: ArrayBuffer;
  /** @throws RangeError where there is no memory for as many more pages */
  grow(pages: number): void;
  /**
   * Inner products of one query with rows that follow each other. All places are in bytes; the bytes of a row are a multiple of 16,
   * and every product fits 32 bits.
   * @param count rows; up to three more are read and their products written.
   */
  scan(query: number, rows: number, count: number, products: number, bytes: number): void;
}

/**
 * WebAssembly reserves gigabytes of addresses for a memory, which a limit on them (`ulimit -v`) does not give, and its SIMD wants a
 * processor that has it. Without either, searches take several times as long and give the same.
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
      throw new Error("expected the scan kernel to export scan, found none: build it again");
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
