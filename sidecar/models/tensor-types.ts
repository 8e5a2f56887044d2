// Converts the number formats of GGUF files to float32, by ggml's formulas with every operation rounded to float32.

/** A number format: blocks of `blockSize` numbers, each block `blockBytes` bytes. */
export interface TensorType {
  readonly name: string;
  readonly blockSize: number;
  readonly blockBytes: number;
  /** Writes the numbers of the first `blocks` blocks of `source` to the beginning of `target`. */
  readonly dequantize: (source: DataView, blocks: number, target: Float32Array) => void;
}

/** The formats by their number in a GGUF file (`ggml_type` in ggml.h). */
const tensorTypes: ReadonlyMap<number, TensorType> = new Map([
  [0, { name: "F32", blockSize: 1, blockBytes: 4, dequantize: dequantizeF32 }],
  [1, { name: "F16", blockSize: 1, blockBytes: 2, dequantize: dequantizeF16 }],
  [2, { name: "Q4_0", blockSize: 32, blockBytes: 18, dequantize: dequantizeQ4_0 }],
  [6, { name: "Q5_0", blockSize: 32, blockBytes: 22, dequantize: dequantizeQ5_0 }],
  [8, { name: "Q8_0", blockSize: 32, blockBytes: 34, dequantize: dequantizeQ8_0 }],
  [12, { name: "Q4_K", blockSize: 256, blockBytes: 144, dequantize: dequantizeQ4_K }],
  [13, { name: "Q5_K", blockSize: 256, blockBytes: 176, dequantize: dequantizeQ5_K }],
  [14, { name: "Q6_K", blockSize: 256, blockBytes: 210, dequantize: dequantizeQ6_K }],
  [30, { name: "BF16", blockSize: 1, blockBytes: 2, dequantize: dequantizeBF16 }],
]);

/** The format with one of ggml's numbers; undefined when this program does not read it. */
export function tensorType(id: number): TensorType | undefined {
  return tensorTypes.get(id);
}

/** Names of all formats that this program reads. */
export const tensorTypeNames: readonly string[] = [...tensorTypes.values()].map(({ name }) => name);

function dequantizeF32(source: DataView, blocks: number, target: Float32Array): void {
  for (let i = 0; i < blocks; i++) target[i] = source.getFloat32(4 * i, true);
}

function dequantizeF16(source: DataView, blocks: number, target: Float32Array): void {
  for (let i = 0; i < blocks; i++) target[i] = half(source, 2 * i);
}

function dequantizeBF16(source: DataView, blocks: number, target: Float32Array): void {
  const bits = new Uint32Array(target.buffer, target.byteOffset, target.length);
  for (let i = 0; i < blocks; i++) bits[i] = source.getUint16(2 * i, true) << 16;
}

/** A block: the step (float16), then 16 bytes, each with a number of the first half (low bits) and of the second half. */
function dequantizeQ4_0(source: DataView, blocks: number, target: Float32Array): void {
  for (let block = 0; block < blocks; block++) {
    const at = 18 * block;
    const out = 32 * block;
    const step = half(source, at);
    for (let i = 0; i < 16; i++) {
      const pair = source.getUint8(at + 2 + i);
      target[out + i] = step * ((pair & 15) - 8);
      target[out + 16 + i] = step * ((pair >> 4) - 8);
    }
  }
}

/** As Q4_0, with the fifth bits of all 32 numbers in four bytes between step and pairs. */
function dequantizeQ5_0(source: DataView, blocks: number, target: Float32Array): void {
  for (let block = 0; block < blocks; block++) {
    const at = 22 * block;
    const out = 32 * block;
    const step = half(source, at);
    const fifth = source.getUint32(at + 2, true);
    for (let i = 0; i < 16; i++) {
      const pair = source.getUint8(at + 6 + i);
      target[out + i] = step * (((pair & 15) | (((fifth >>> i) & 1) << 4)) - 16);
      target[out + 16 + i] = step * (((pair >> 4) | (((fifth >>> (i + 16)) & 1) << 4)) - 16);
    }
  }
}

function dequantizeQ8_0(source: DataView, blocks: number, target: Float32Array): void {
  for (let block = 0; block < blocks; block++) {
    const at = 34 * block;
    const out = 32 * block;
    const step = half(source, at);
    for (let i = 0; i < 32; i++) target[out + i] = step * source.getInt8(at + 2 + i);
  }
}

/** A block: steps of the scales and of the minima (float16), eight of each in 12 bytes, then pairs as in Q4_0, 64 numbers at a time. */
function dequantizeQ4_K(source: DataView, blocks: number, target: Float32Array): void {
  for (let block = 0; block < blocks; block++) {
    const at = 144 * block;
    for (let part = 0; part < 8; part++) {
      const scale = scaleOfK(source, at, part);
      const min = minOfK(source, at, part);
      const pairs = at + 16 + 32 * (part >> 1);
      const shift = 4 * (part & 1);
      const out = 256 * block + 32 * part;
      for (let i = 0; i < 32; i++)
        target[out + i] = Math.fround(scale * ((source.getUint8(pairs + i) >> shift) & 15)) - min;
    }
  }
}

/** As Q4_K, with the fifth bits between scales and pairs: of number i of each part in byte i, a bit for each part. */
function dequantizeQ5_K(source: DataView, blocks: number, target: Float32Array): void {
  for (let block = 0; block < blocks; block++) {
    const at = 176 * block;
    for (let part = 0; part < 8; part++) {
      const scale = scaleOfK(source, at, part);
      const min = minOfK(source, at, part);
      const pairs = at + 48 + 32 * (part >> 1);
      const shift = 4 * (part & 1);
      const out = 256 * block + 32 * part;
      for (let i = 0; i < 32; i++) {
        const fifth = ((source.getUint8(at + 16 + i) >> part) & 1) << 4;
        target[out + i] = Math.fround(scale * (((source.getUint8(pairs + i) >> shift) & 15) | fifth)) - min;
      }
    }
  }
}

/** A block: 128 bytes with low halves, 64 with the upper two bits, 16 scales (int8, for 16 numbers each), the step of the scales (float16). */
function dequantizeQ6_K(source: DataView, blocks: number, target: Float32Array): void {
  for (let block = 0; block < blocks; block++) {
    const at = 210 * block;
    const step = half(source, at + 208);
    // Sixteen numbers at a time, which share a scale: 8 such groups in each half of the block, two to a quarter of the half.
    for (let group = 0; group < 16; group++) {
      const scale = Math.fround(step * source.getInt8(at + 192 + group));
      const quarter = (group >> 1) & 3;
      const first = 16 * (group & 1);
      const low = at + 64 * (group >> 3) + 32 * (quarter & 1) + first;
      const high = at + 128 + 32 * (group >> 3) + first;
      const lowShift = 4 * (quarter >> 1);
      const highShift = 2 * quarter;
      const out = 256 * block + 16 * group;
      for (let i = 0; i < 16; i++) {
        const code =
          ((source.getUint8(low + i) >> lowShift) & 15) | (((source.getUint8(high + i) >> highShift) & 3) << 4);
        target[out + i] = scale * (code - 32);
      }
    }
  }
}

/** Scale of one of the eight parts of a Q4_K or Q5_K block that begins at `at`. */
function scaleOfK(source: DataView, at: number, part: number): number {
  const six =
    part < 4
      ? source.getUint8(at + 4 + part) & 63
      : (source.getUint8(at + 8 + part) & 15) | ((source.getUint8(at + part) >> 6) << 4);
  return Math.fround(half(source, at) * six);
}

/** The minimum of that part, which is subtracted. */
function minOfK(source: DataView, at: number, part: number): number {
  const six =
    part < 4
      ? source.getUint8(at + 8 + part) & 63
      : (source.getUint8(at + 8 + part) >> 4) | ((source.getUint8(at + 4 + part) >> 6) << 4);
  return Math.fround(half(source, at + 2) * six);
}

/** The float32 of every float16, by its bits. */
const halves = allHalves();

function half(source: DataView, at: number): number {
  return halves[source.getUint16(at, true)] ?? 0;
}

function allHalves(): Float32Array {
  const values = new Float32Array(0x10000);
  for (let bits = 0; bits < values.length; bits++) {
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    const magnitude =
      exponent === 0
        ? fraction * 2 ** -24
        : exponent === 31
          ? fraction === 0
            ? Number.POSITIVE_INFINITY
            : Number.NaN
          : (1024 + fraction) * 2 ** (exponent - 25);
    values[bits] = bits < 0x8000 ? magnitude : -magnitude;
  }
  return values;
}
