// Vectors come back as they were put, and damage costs only what is damaged.
import { readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Quantized, quantized } from "../../../sidecar/workspace/quantized";
import type { VectorKey } from "../../../sidecar/workspace/record-block";
import { VectorStore, vectorKey } from "../../../sidecar/workspace/vector-store";
import { emptyFolder } from "./folder";

const dimension = 24;
const modelHash = "0123456789abcdef".repeat(4);

function vectorOf(seed: number): Float32Array {
  const vector = Float32Array.from({ length: dimension }, (_, i) => Math.sin(seed * 12.9898 + i * 78.233));
  const norm = Math.hypot(...vector);
  return vector.map((x) => x / norm);
}

function entries(from: number, to: number): { key: VectorKey; vector: Quantized }[] {
  return Array.from({ length: to - from }, (_, i) => ({
    key: vectorKey([from + i]),
    vector: quantized(vectorOf(from + i)),
  }));
}

const keys = (from: number, to: number): VectorKey[] => entries(from, to).map(({ key }) => key);

async function openStore(
  directory: string,
  options: Partial<{ modelHash: string; dimension: number }> = {},
): Promise<{ store: VectorStore; warnings: string[] }> {
  const warnings: string[] = [];
  const store = await VectorStore.open({
    directory,
    modelHash,
    dimension,
    warn: (message) => warnings.push(message),
    ...options,
  });
  return { store, warnings };
}

async function segmentsIn(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => name.endsWith(".bin")).map((name) => join(directory, name));
}

/** The one segment of a store with vectors 0..`count`, written and closed. */
async function oneSegment(directory: string, count: number): Promise<string> {
  const { store } = await openStore(directory);
  await store.put(entries(0, count));
  await store.close();
  const [path, ...others] = await segmentsIn(directory);
  expect(others).toEqual([]);
  return path ?? "";
}

describe("vector store", () => {
  it("gives back what was put, at once and after opening anew, bit for bit", async () => {
    const directory = await emptyFolder();
    const { store } = await openStore(directory);
    await store.put(entries(0, 3000));
    await store.put(entries(2000, 3001));
    const now = await store.get(keys(0, 3001));
    await store.close();
    const { store: again, warnings } = await openStore(directory);
    expect(again.size).toBe(3001);
    const later = await again.get([...keys(0, 3001), vectorKey([9999])]);
    await again.close();
    expect(later.size).toBe(3001);
    expect(warnings).toEqual([]);
    for (const { key, vector } of [...entries(0, 50), ...entries(1980, 2020), ...entries(2995, 3001)]) {
      expect(later.get(key)).toEqual(now.get(key));
      expect(later.get(key)).toEqual(vector);
    }
  });

  it("keeps a vector of zeros, and one of another scale", async () => {
    const directory = await emptyFolder();
    const { store } = await openStore(directory);
    const large = vectorOf(1).map((x) => x * 1000);
    await store.put([
      { key: vectorKey([1]), vector: quantized(new Float32Array(dimension)) },
      { key: vectorKey([2]), vector: quantized(large) },
    ]);
    const found = await store.get([vectorKey([1]), vectorKey([2])]);
    await store.close();
    expect(found.get(vectorKey([1]))).toEqual(quantized(new Float32Array(dimension)));
    expect(found.get(vectorKey([2]))).toEqual(quantized(large));
  });

  it("loses only the unfinished record of a write that was cut off at any byte", async () => {
    const directory = await emptyFolder();
    const path = await oneSegment(directory, 10);
    const { size } = await stat(path);
    const record = (size - 64) / 10;
    for (const cut of [1, record - 1, record, record + 1, 3 * record + 7]) {
      const whole = await readFile(path);
      await truncate(path, size - cut);
      const { store } = await openStore(directory);
      expect(store.size).toBe(10 - Math.ceil(cut / record));
      expect((await store.get(keys(0, 10))).size).toBe(10 - Math.ceil(cut / record));
      // Writing goes on beside the torn segment.
      await store.put(entries(0, 10));
      expect((await store.get(keys(0, 10))).size).toBe(10);
      await store.close();
      for (const other of await segmentsIn(directory)) if (other !== path) await truncate(other, 0);
      await writeFile(path, whole);
    }
  });

  it("notices a damaged record, says so once, and takes it anew", async () => {
    const directory = await emptyFolder();
    const path = await oneSegment(directory, 50);
    const content = await readFile(path);
    const record = (content.length - 64) / 50;
    for (const index of [3, 4, 20])
      content.writeUInt8(content.readUInt8(64 + index * record + 40) ^ 0x10, 64 + index * record + 40);
    await writeFile(path, content);
    const { store, warnings } = await openStore(directory);
    const found = await store.get(keys(0, 50));
    expect(keys(0, 50).flatMap((key, i) => (found.has(key) ? [] : [i]))).toEqual([3, 4, 20]);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/damaged/);
    await store.put(entries(0, 50));
    expect((await store.get(keys(0, 50))).size).toBe(50);
    await store.close();
  });

  it("deletes what is no segment of this model, and nothing else", async () => {
    const directory = await emptyFolder();
    await oneSegment(directory, 5);
    await writeFile(join(directory, "vectors-1.bin"), "not a segment");
    await writeFile(join(directory, "other.txt"), "mine");
    const { store, warnings } = await openStore(directory);
    expect(store.size).toBe(5);
    expect(warnings).toHaveLength(1);
    expect(await segmentsIn(directory)).toHaveLength(1);
    expect(await readdir(directory)).toContain("other.txt");
    await store.close();
    const { store: other } = await openStore(directory, { modelHash: "f".repeat(64) });
    expect(other.size).toBe(0);
    await other.close();
  });

  it("merges segments, keeps the most recently used within a bound, and drops damaged records", async () => {
    const directory = await emptyFolder();
    for (let i = 0; i < 5; i++) {
      const { store } = await openStore(directory);
      await store.put(entries(i * 100, i * 100 + 100));
      await store.close();
    }
    expect(await segmentsIn(directory)).toHaveLength(5);
    const { store } = await openStore(directory);
    expect(await store.mergeable()).toBe(5);
    await store.merge();
    expect(await segmentsIn(directory)).toHaveLength(1);
    expect((await store.get(keys(0, 500))).size).toBe(500);
    const record = 16 + 8 + dimension * 2 + 8;
    const used = new Set(keys(120, 150));
    await store.evict(record * 40, (key) => (used.has(key) ? 4_000_000_000 : 0));
    expect(store.size).toBe(40);
    expect((await store.get(used)).size).toBe(30);
    await store.put(entries(0, 10));
    await store.close();
    const { store: again } = await openStore(directory);
    expect((await again.get(used)).size).toBe(30);
    expect((await again.get(keys(0, 10))).size).toBe(10);
    await again.close();
  });

  it("is shared by two writers, and survives that one merges under the other", async () => {
    const directory = await emptyFolder();
    const { store: a } = await openStore(directory);
    await a.put(entries(0, 100));
    const { store: b, warnings } = await openStore(directory);
    await b.put(entries(100, 200));
    expect((await b.get(keys(0, 200))).size).toBe(200);
    // The first one's segment ends with the merge, and is gone after it: the other must find its vectors again.
    await a.merge();
    expect((await b.get(keys(0, 100))).size).toBe(100);
    expect(warnings).toEqual([]);
    await b.put(entries(300, 310));
    await a.close();
    await b.close();
    const { store: c } = await openStore(directory);
    expect((await c.get(keys(0, 100))).size).toBe(100);
    expect((await c.get(keys(300, 310))).size).toBe(10);
    await c.close();
  });

  it("goes on in memory, with one warning, when nothing can be written", async () => {
    const directory = await emptyFolder();
    const { store, warnings } = await openStore(directory);
    // The directory is gone: every write fails.
    await rm(directory, { recursive: true });
    await store.put(entries(0, 5));
    await store.put(entries(5, 9));
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/could not be written/);
    await store.close();
  });
});
