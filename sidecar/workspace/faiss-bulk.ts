// Hands many vectors to FAISS at once, through a file in FAISS's own format: eight times as fast as number by number.
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Addon, FlatIndex } from "./faiss-addon";
import { isRunning } from "./owner";

/** Appends vectors, which stand one after another in `vectors`, to an index. */
export type BulkAdd = (index: FlatIndex, vectors: Float32Array) => void;

/** Places of the two counts in the header of a flat index: rows, and, last, floats. */
const rowsAt = 8;

/** Name of a file of vectors, after the process that writes it. */
const fileName = /^faiss-rows-(\d+)-[0-9a-f]+\.faiss$/;

/**
 * A way to add vectors of `dimension` floats: by a file where a trial shows that this FAISS reads what is written here,
 * otherwise number by number. (faiss-node also reads indexes from memory, but never frees what it read.)
 * @param folder where the files are written, each deleted as soon as FAISS has read it; made when missing
 */
export function bulkAdder(addon: Addon, dimension: number, folder: string): BulkAdd {
  const oneByOne: BulkAdd = (index, vectors) => index.add(Array.from(vectors));
  const sample = new addon.IndexFlatIP(dimension);
  const first = Float32Array.from({ length: dimension }, (_, i) => i + 1);
  sample.add(Array.from(first));
  // Header and floats of an index with one row: everything but the two counts stays the same with more rows.
  const written = sample.toBuffer();
  const header = written.subarray(0, written.length - dimension * 4);
  const byFile: BulkAdd = (index, vectors) => {
    const path = join(folder, `faiss-rows-${process.pid}-${randomBytes(6).toString("hex")}.faiss`);
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
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    removeAbandoned(folder);
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

/** Deletes what processes left that were killed between writing a file and reading it. */
function removeAbandoned(folder: string): void {
  for (const name of readdirSync(folder)) {
    const pid = fileName.exec(name)?.[1];
    if (pid !== undefined && !isRunning(Number(pid))) rmSync(join(folder, name), { force: true });
  }
}
