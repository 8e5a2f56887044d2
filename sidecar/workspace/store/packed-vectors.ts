// Converts vectors to bytes for the database and for messages between threads, and back.
import type { Quantized } from "../vectors/quantized";
import type { FoundVectors, PackedVectors } from "./database";

const scaleBytes = 4;

/** Bytes of a vector: its scale as a 32-bit float, then its components as 16-bit integers, little-endian like every machine that this runs on. */
export function vectorBytes(dimension: number): number {
  return scaleBytes + dimension * Int16Array.BYTES_PER_ELEMENT;
}

export function packVectors(vectors: ReadonlyMap<string, Quantized>, dimension: number): PackedVectors {
  const stride = vectorBytes(dimension);
  const rows = new Uint8Array(vectors.size * stride);
  const view = new DataView(rows.buffer);
  let at = 0;
  for (const { values, scale } of vectors.values()) {
    view.setFloat32(at, scale, true);
    new Int16Array(rows.buffer, at + scaleBytes, dimension).set(values.subarray(0, dimension));
    at += stride;
  }
  return { keys: [...vectors.keys()], rows };
}

/** The vectors that were found, as views of the packed bytes. */
export function unpackVectors(
  keys: readonly string[],
  { rows, found }: FoundVectors,
  dimension: number,
): Map<string, Quantized> {
  const stride = vectorBytes(dimension);
  const view = new DataView(rows.buffer, rows.byteOffset);
  const vectors = new Map<string, Quantized>();
  for (const [index, key] of keys.entries()) {
    if (found[index] !== 1) continue;
    const at = index * stride;
    const values = new Int16Array(rows.buffer, rows.byteOffset + at + scaleBytes, dimension);
    vectors.set(key, { values, scale: view.getFloat32(at, true) });
  }
  return vectors;
}
