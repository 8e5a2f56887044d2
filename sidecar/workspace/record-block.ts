// Records of stored vectors in one piece of memory: their layout, and the checksum that shows damage.
import type { Quantized } from "./quantized";

/** 128 bits of SHA-256 as 16 Latin-1 characters: half the memory of hexadecimal digits. */
export type VectorKey = string;

export const keyBytes = 16;
const usedAt = keyBytes;
const scaleAt = keyBytes + 4;
const componentsAt = keyBytes + 8;
const checksumBytes = 8;

/** Bytes of a record of so many dimensions: an even number. */
export function recordBytesOf(dimension: number): number {
  return componentsAt + dimension * 2 + checksumBytes;
}

/**
 * A record: 16 bytes key, u32 last used (seconds since 1970), f32 scale, dimension x i16 (see {@link Quantized}), 8 bytes
 * checksum over what stands before. Little-endian, as every machine is that this runs on. `at` is a record's offset.
 */
export class RecordBlock {
  readonly bytes: Buffer;
  private readonly words: Uint16Array;
  private readonly recordBytes: number;

  /** @param length bytes of memory */
  constructor(
    length: number,
    private readonly dimension: number,
  ) {
    // Of its own, not out of Node's pool: records must begin at even places.
    this.bytes = Buffer.allocUnsafeSlow(length);
    this.words = new Uint16Array(this.bytes.buffer, 0, length >> 1);
    this.recordBytes = recordBytesOf(dimension);
  }

  keyAt(at: number): VectorKey {
    return this.bytes.toString("latin1", at, at + keyBytes);
  }

  usedAt(at: number): number {
    return this.bytes.readUInt32LE(at + usedAt);
  }

  /** The vector as a view of this memory. */
  vectorAt(at: number): Quantized {
    return { values: this.componentsAt(at), scale: this.bytes.readFloatLE(at + scaleAt) };
  }

  write(at: number, key: VectorKey, used: number, { values, scale }: Quantized): void {
    if (values.length !== this.dimension)
      throw new RangeError(`expected a vector of ${this.dimension} components, found ${values.length}`);
    this.bytes.write(key, at, "latin1");
    this.bytes.writeFloatLE(scale, at + scaleAt);
    this.componentsAt(at).set(values);
    this.setUsed(at, used);
  }

  setUsed(at: number, used: number): void {
    this.bytes.writeUInt32LE(used, at + usedAt);
    const [low, high] = this.checksum(at);
    this.bytes.writeUInt32LE(low, at + this.recordBytes - checksumBytes);
    this.bytes.writeUInt32LE(high, at + this.recordBytes - 4);
  }

  isIntact(at: number): boolean {
    const [low, high] = this.checksum(at);
    return (
      this.bytes.readUInt32LE(at + this.recordBytes - checksumBytes) === low &&
      this.bytes.readUInt32LE(at + this.recordBytes - 4) === high
    );
  }

  private componentsAt(at: number): Int16Array {
    return new Int16Array(this.bytes.buffer, at + componentsAt, this.dimension);
  }

  /**
   * Two 32-bit sums over the record's halves of words, each step one to one in the sum and in the word, so that damage to
   * one word always shows, and other damage but for one case in 2^64. Found against disks, not against people; SHA-256
   * took a third of a restart.
   */
  private checksum(at: number): [low: number, high: number] {
    const { words } = this;
    let low = 0x811c9dc5;
    let high = 0x9747b28c;
    const end = (at + this.recordBytes - checksumBytes) >> 1;
    for (let i = at >> 1; i < end; i++) {
      const word = words[i] ?? 0;
      low = Math.imul(low ^ word, 0x01000193);
      high = (Math.imul((high << 13) | (high >>> 19), 5) + 0x6546b64 + word) | 0;
    }
    return [(low ^ (low >>> 15)) >>> 0, (high ^ (high >>> 13)) >>> 0];
  }
}
