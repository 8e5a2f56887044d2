// Checks that tensors which the graph has as one matrix, such as embedding and head, are the same.
import { GgufError, type GgufFile } from "./gguf-file";
import { JoinedTensors } from "./joined-tensors";

/** Rows that are compared, and the minimum cosine between two roundings of one matrix. */
const comparedRows = 16;
const minCosine = 0.95;

/**
 * A file may have two names for one matrix of the graph, with another rounding for each use.
 * @param names as of {@link JoinedTensors.find}
 * @throws GgufError when the file has two matrices that differ by more than rounding
 */
export async function checkTied(file: GgufFile, names: readonly (string | readonly string[])[]): Promise<void> {
  for (const choices of names) {
    if (typeof choices === "string") continue;
    const [first, ...others] = choices.filter((name) => file.tensors.has(name));
    if (first === undefined) continue;
    for (const other of others) {
      const cosine = await cosineOf(JoinedTensors.find(file, [first]), JoinedTensors.find(file, [other]));
      if (cosine < minCosine)
        throw new GgufError(
          `${file.path}: expected the same matrix as ${first} and as ${other}, found two (cosine ${cosine.toFixed(3)} over ${comparedRows} rows). Choose a file of a model whose embedding is also its head.`,
        );
    }
  }
}

/** The cosine over evenly spaced rows of both matrices; -1 when their shapes differ. */
async function cosineOf(a: JoinedTensors, b: JoinedTensors): Promise<number> {
  if (a.rows !== b.rows || a.columns !== b.columns) return -1;
  const [x, y] = [new Float32Array(a.columns), new Float32Array(a.columns)];
  const sums = { xx: 0, yy: 0, xy: 0 };
  for (let i = 0; i < comparedRows; i++) {
    const row = Math.floor((i * a.rows) / comparedRows);
    await a.read(row, row + 1, x);
    await b.read(row, row + 1, y);
    for (let at = 0; at < x.length; at++) {
      const [left, right] = [x[at] ?? 0, y[at] ?? 0];
      sums.xx += left * left;
      sums.yy += right * right;
      sums.xy += left * right;
    }
  }
  return sums.xx === 0 && sums.yy === 0 ? 1 : sums.xy / Math.sqrt(sums.xx * sums.yy);
}
