// Hands many vectors to FAISS at once, through a file in FAISS's own format: eight times as fast as number by number.
import { randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Addon, FlatIndex } from "./faiss-index";

/** Appends vectors, which stand one after another in `vectors`, to an index. */
export type BulkAdd = (index: FlatIndex, vectors: Float32Array) => void;

/** Places of the two counts in the header of a flat index: rows, and, last, floats. */
const rowsAt = 8;

/**
 * A way to add vectors of `dimension` floats: by a file where a trial shows that this FAISS reads what is written here,
 * otherwise number by number. (faiss-node also reads indexes from memory, but never frees what it read.)
 */
export function bulkAdder(addon: Addon, dimension: number): BulkAdd {
  const oneByOne: BulkAdd = (index, vectors) => index.add(Array.from(vectors));
  const sample = new addon.IndexFlatIP(dimension);
  const first = Float32Array.from({ length: dimension }, (_, i) => i + 1);
  sample.add(Array.from(first));
  // Header and floats of an index with one row: everything but the two counts stays the same with more rows.
  const written = sample.toBuffer();
  const header = written.subarray(0, written.length - dimension * 4);
  const byFile: BulkAdd = (index, vectors) => {
    const path = join(tmpdir(), `selfracg-${process.pid}-${randomBytes(6).toString("hex")}.faiss`);
    try {
      const start = Buffer.from(header);
      start.writeBigUInt64LE(BigInt(vectors.length / dimension), rowsAt);
      start.writeBigUInt64LE(BigInt(vectors.length), start.length - 8);
      writeFileSync(path, Buffer.concat([start, Buffer.from(vectors.buffer, vectors.byteOffset, vectors.byteLength)]), {
        flag: "wx",
        mode: 0o600,
      });
      index.mergeFrom(addon.IndexFlatIP.read(path));
    } finally {
      rmSync(path, { force: true });
    }
  };
  try {
    const second = first.map((x) => -x);
    byFile(sample, Float32Array.of(...second, ...second));
    const { labels, distances } = sample.search(Array.from(second), 3);
    const norm = second.reduce((sum, x) => sum + x * x, 0);
    const right =
      sample.ntotal() === 3 &&
      labels[2] === 0 &&
      distances.every((x, i) => Math.abs(x - (i < 2 ? norm : -norm)) <= norm * 1e-4);
    if (!right) return oneByOne;
  } catch {
    return oneByOne;
  }
  return (index, vectors) => {
    const rows = index.ntotal();
    try {
      byFile(index, vectors);
    } catch {
      // A full disk, for one. Nothing of it may be in twice.
      if (index.ntotal() === rows) oneByOne(index, vectors);
    }
  };
}
