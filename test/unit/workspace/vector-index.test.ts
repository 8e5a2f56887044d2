// FAISS, the exact scan and, among many vectors, the clusters give the same hits, and all keep the seam's promises.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { ClusteredIndex } from "../../../sidecar/workspace/clustered-index";
import { createVectorIndex } from "../../../sidecar/workspace/create-vector-index";
import { ExactIndex } from "../../../sidecar/workspace/exact-index";
import { type FlatIndex, loadFaiss, tryFaiss } from "../../../sidecar/workspace/faiss-addon";
import { bulkAdder } from "../../../sidecar/workspace/faiss-bulk";
import { FaissIndex } from "../../../sidecar/workspace/faiss-index";
import { GrowingIndex } from "../../../sidecar/workspace/growing-index";
import { quantized } from "../../../sidecar/workspace/quantized";
import { plainKernel, simdKernel } from "../../../sidecar/workspace/scan-kernel";
import type { VectorIndex } from "../../../sidecar/workspace/vector-index";
import { emptyFolder } from "./folder";

/** Deterministic numbers in -1..1 (mulberry32). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 31 - 1;
  };
}

function unitVector(next: () => number, dimension: number): Float32Array {
  const vector = Float32Array.from({ length: dimension }, next);
  const norm = Math.hypot(...vector);
  return vector.map((x) => x / norm);
}

/** @param limit vectors handed to FAISS together; 1: each at once, so that small tests reach FAISS too */
function faiss(dimension: number, limit = 1): FaissIndex {
  const loaded = loadFaiss();
  if ("failure" in loaded) throw new Error(`FAISS must load where the tests run: ${loaded.failure}`);
  return new FaissIndex(loaded.addon, dimension, "test", tmpdir(), limit);
}

/** Of a score: sums are added up in another order, and clusters keep vectors as the store does, in 16 bits. */
const precision = 3e-5;

const kinds: [string, (dimension: number) => VectorIndex][] = [
  ["faiss", (dimension) => faiss(dimension)],
  ["faiss", (dimension) => faiss(dimension, 5)],
  ["exact", (dimension) => new ExactIndex(dimension, "test")],
  ["clustered", (dimension) => new ClusteredIndex(dimension, "test")],
];

/** Lets the index do all that it puts off. */
function settled<T extends VectorIndex>(index: T): T {
  while (index.settle(5));
  return index;
}

describe.each(kinds)("%s", (name, create) => {
  it("finds the highest inner products first", () => {
    const index = create(2);
    index.add(7, quantized(Float32Array.of(1, 0)));
    index.add(3, quantized(Float32Array.of(0, 1)));
    index.add(5, quantized(Float32Array.of(0.6, 0.8)));
    const hits = index.search(Float32Array.of(0, 1), 3);
    expect(hits.map((hit) => hit.id)).toEqual([3, 5, 7]);
    expect(hits[1]?.score).toBeCloseTo(0.8, 6);
    expect(index.name).toBe(name);
    expect(index.size).toBe(3);
  });

  it("puts lower ids first among equals, also when the border of k cuts through them", () => {
    const index = create(3);
    for (const id of [90, 12, 55, 3, 41, 77, 8, 100, 64, 31, 29, 2]) index.add(id, quantized(Float32Array.of(0, 1, 0)));
    index.add(1, quantized(Float32Array.of(1, 0, 0)));
    expect(index.search(Float32Array.of(0, 1, 0), 4).map((hit) => hit.id)).toEqual([2, 3, 8, 12]);
    index.remove([3, 12]);
    expect(index.search(Float32Array.of(0, 1, 0), 3).map((hit) => hit.id)).toEqual([2, 8, 29]);
  });

  it("returns what there is when k is larger, and nothing from nothing", () => {
    const index = create(2);
    expect(index.search(Float32Array.of(1, 0), 5)).toEqual([]);
    index.add(0, quantized(Float32Array.of(1, 0)));
    expect(index.search(Float32Array.of(1, 0), 5)).toHaveLength(1);
    expect(index.search(Float32Array.of(1, 0), 0)).toEqual([]);
    index.remove([0]);
    expect(index.search(Float32Array.of(1, 0), 5)).toEqual([]);
    index.add(0, quantized(Float32Array.of(0, 1)));
    expect(index.search(Float32Array.of(0, 1), 5)).toEqual([{ id: 0, score: expect.closeTo(1, 6) }]);
  });

  it("passes over what does not count, however many that are, and still finds the rest", () => {
    const index = create(8);
    const next = random(3);
    for (let id = 0; id < 700; id++) index.add(id, quantized(unitVector(next, 8)));
    const query = unitVector(next, 8);
    const all = index.search(query, 700).map((hit) => hit.id);
    expect(index.search(query, 5, (id) => id % 100 === 7).map((hit) => hit.id)).toEqual(
      all.filter((id) => id % 100 === 7).slice(0, 5),
    );
    expect(index.search(query, 5, (id) => id === all.at(-1)).map((hit) => hit.id)).toEqual([all.at(-1)]);
    expect(index.search(query, 5, () => false)).toEqual([]);
  });

  it("refuses wrong dimensions and ids that are taken", () => {
    expect(() => create(0)).toThrow(RangeError);
    const index = create(4);
    expect(() => index.add(0, quantized(new Float32Array(3)))).toThrow(/expected a vector of 4 floats, found 3/);
    expect(() => index.search(new Float32Array(5), 1)).toThrow(/expected a query of 4 floats, found 5/);
    index.add(0, quantized(new Float32Array(4)));
    expect(() => index.add(0, quantized(new Float32Array(4)))).toThrow(/found 0/);
    index.remove([0, 99]);
    index.add(0, quantized(new Float32Array(4)));
    expect(index.size).toBe(1);
  });
});

describe("all", () => {
  it.each<[string, (dimension: number) => VectorIndex]>([
    ["FAISS, a vector at a time", (dimension) => faiss(dimension, 1)],
    ["FAISS, 7 vectors handed over together", (dimension) => faiss(dimension, 7)],
    ["FAISS, 512 vectors handed over together", (dimension) => faiss(dimension, 512)],
    ["clusters", (dimension) => new ClusteredIndex(dimension, "test")],
    [
      "FAISS at first and then clusters",
      (dimension) => new GrowingIndex(() => faiss(dimension, 512), new ClusteredIndex(dimension, "test"), 900),
    ],
  ])("agree with the exact scan on random vectors through additions and removals: %s", (_, create) => {
    const dimension = 48;
    const next = random(1);
    const a = create(dimension);
    const b = new ExactIndex(dimension, "test");
    const live: number[] = [];
    let id = 0;
    for (let round = 0; round < 12; round++) {
      for (let i = 0; i < 250; i++) {
        const vector = unitVector(next, dimension);
        // Some vectors twice, so that there are equals.
        for (let copy = 0; copy < (i % 10 === 0 ? 2 : 1); copy++) {
          a.add(id, quantized(vector));
          b.add(id, quantized(vector));
          live.push(id++);
        }
      }
      const gone = live.filter(() => next() > (round % 4 === 3 ? -0.6 : 0.7));
      a.remove(gone);
      b.remove(gone);
      for (const each of gone) live.splice(live.indexOf(each), 1);
      expect(a.size).toBe(live.length);
      expect(b.size).toBe(live.length);
      for (const k of [1, 5, 40, live.length + 10]) {
        const query = unitVector(next, dimension);
        const left = a.search(query, k);
        const right = b.search(query, k);
        expect(left).toHaveLength(Math.min(k, live.length));
        for (const [i, hit] of left.entries())
          expect(Math.abs(hit.score - (right[i]?.score ?? NaN))).toBeLessThan(precision);
        // Sums in another order differ in the last digits: compare ids where the scores tell them apart.
        left.forEach((hit, i) => {
          const near = [left[i - 1], left[i + 1]].some(
            (other) =>
              other !== undefined && other.score !== hit.score && Math.abs(other.score - hit.score) < precision,
          );
          if (!near && i < k - 1) expect(right[i]?.id).toBe(hit.id);
        });
      }
    }
  });

  it("let clusters answer once there are many vectors, and the exact index again when all are gone", () => {
    const index = new GrowingIndex(() => new ExactIndex(4, "few"), new ClusteredIndex(4, "many"), 10);
    const next = random(2);
    for (let id = 0; id < 10; id++) index.add(id, quantized(unitVector(next, 4)));
    expect(index).toMatchObject({ name: "exact", reason: "few", size: 10, dimension: 4 });
    index.add(10, quantized(unitVector(next, 4)));
    expect(index).toMatchObject({ name: "clustered", reason: "many", size: 11 });
    index.remove([1, 2, 3]);
    expect(index.name).toBe("clustered");
    index.remove(Array.from({ length: 11 }, (_, id) => id));
    expect(index).toMatchObject({ name: "exact", size: 0 });
    index.add(0, quantized(Float32Array.of(0, 0, 0, 1)));
    expect(index.search(Float32Array.of(0, 0, 0, 1), 3)).toEqual([{ id: 0, score: 1 }]);
  });

  it("are chosen with a reason", () => {
    expect(createVectorIndex(8)).toMatchObject({ name: "faiss", dimension: 8, size: 0 });
    expect(createVectorIndex(8, { preferred: "exact" })).toMatchObject({ name: "exact", reason: "asked for" });
  });
});

describe("clusters", () => {
  /** Vectors around `centres` points, as code of different kinds is. */
  function gathered(
    count: number,
    centres: number,
    dimension: number,
  ): { vectors: Float32Array[]; query: () => Float32Array } {
    const next = random(11);
    const middles = Array.from({ length: centres }, () => unitVector(next, dimension));
    const around = (): Float32Array => {
      const middle = middles[Math.floor(((next() + 1) / 2) * centres)] ?? new Float32Array(dimension);
      const noise = unitVector(next, dimension);
      const mixed = middle.map((x, i) => x + 0.9 * (noise[i] ?? 0));
      const norm = Math.hypot(...mixed);
      return mixed.map((x) => x / norm);
    };
    return { vectors: Array.from({ length: count }, around), query: around };
  }

  it("find nearly all of the best ten where only a part is scanned, before and after removals, and with a narrow filter all", () => {
    const dimension = 24;
    const { vectors, query } = gathered(40_000, 60, dimension);
    const [clustered, exact] = [new ClusteredIndex(dimension, "test"), new ExactIndex(dimension, "test")];
    vectors.forEach((vector, id) => {
      clustered.add(id, quantized(vector));
      exact.add(id, quantized(vector));
      // Some before there are clusters, some after.
      if (id === 25_000) settled(clustered);
    });
    const recall = (accepts?: (id: number) => boolean): number => {
      let found = 0;
      for (let i = 0; i < 20; i++) {
        const need = query();
        const right = new Set(exact.search(need, 10, accepts).map((hit) => hit.id));
        found += clustered.search(need, 10, accepts).filter((hit) => right.has(hit.id)).length;
      }
      return found / 200;
    };
    expect(recall()).toBeGreaterThanOrEqual(0.98);
    settled(clustered);
    expect(recall()).toBeGreaterThanOrEqual(0.98);
    expect(recall((id) => id % 400 === 0)).toBe(1);
    const gone = vectors.flatMap((_, id) => (id % 3 === 0 ? [id] : []));
    clustered.remove(gone);
    exact.remove(gone);
    expect(clustered.size).toBe(exact.size);
    expect(recall()).toBeGreaterThanOrEqual(0.98);
  });

  it("are exact before they are there", () => {
    const dimension = 8;
    const { vectors, query } = gathered(20_000, 5, dimension);
    const [clustered, exact] = [new ClusteredIndex(dimension, "test"), new ExactIndex(dimension, "test")];
    vectors.forEach((vector, id) => {
      clustered.add(id, quantized(vector));
      exact.add(id, quantized(vector));
    });
    const need = query();
    expect(clustered.search(need, 10).map((hit) => hit.score.toFixed(3))).toEqual(
      exact.search(need, 10).map((hit) => hit.score.toFixed(3)),
    );
    expect(clustered.settle(0)).toBe(true);
    expect(settled(clustered).settle(0)).toBe(false);
  });

  it("find as much while vectors are on their way into them", () => {
    const dimension = 24;
    const { vectors, query } = gathered(40_000, 60, dimension);
    const [clustered, exact] = [new ClusteredIndex(dimension, "test"), new ExactIndex(dimension, "test")];
    vectors.forEach((vector, id) => {
      clustered.add(id, quantized(vector));
      exact.add(id, quantized(vector));
    });
    for (let slices = 1; clustered.settle(1); slices++) {
      if (slices % 20 > 0) continue;
      const need = query();
      const right = new Set(exact.search(need, 10).map((hit) => hit.id));
      expect(clustered.search(need, 10).filter((hit) => right.has(hit.id)).length).toBeGreaterThanOrEqual(9);
      // Some go, some come meanwhile.
      const gone = [slices, 20_000 + slices, 39_999 - slices];
      for (const index of [clustered, exact]) {
        index.remove(gone);
        for (const id of gone) index.add(id, quantized(query()));
        expect(index.size).toBe(40_000);
      }
    }
  });

  it("hold many equal vectors, which have no second centre to split by", () => {
    const index = new ClusteredIndex(8, "test");
    for (let id = 0; id < 20_000; id++) index.add(id, quantized(Float32Array.of(0, 0, 1, 0, 0, 0, 0, 0)));
    settled(index);
    expect(index.search(Float32Array.of(0, 0, 1, 0, 0, 0, 0, 0), 3)).toHaveLength(3);
    index.remove(Array.from({ length: 19_999 }, (_, id) => id));
    expect(index.search(Float32Array.of(0, 0, 1, 0, 0, 0, 0, 0), 3).map((hit) => hit.id)).toEqual([19_999]);
    index.remove([19_999]);
    expect(index.size).toBe(0);
  });

  it("multiply the same in SIMD as without it, up to the largest sums", () => {
    const memory = new WebAssembly.Memory({ initial: 2, maximum: 4 });
    const [simd, plain] = [simdKernel(memory), plainKernel(memory)];
    if (simd === undefined) throw new Error("WebAssembly SIMD must be there where the tests run");
    const next = random(9);
    for (const width of [8, 16, 56, 256]) {
      const values = new Int16Array(memory.buffer);
      for (let i = 0; i < width; i++) values[i] = Math.round(next() * 255);
      for (let i = 0; i < width * 8; i++) values[8192 + i] = i < width ? 32767 : Math.round(next() * 32767);
      for (const count of [1, 4, 7, 8]) {
        const results = [simd, plain].map((kernel, at) => {
          kernel(0, 16384, count, 4096 + at * 64, width * 2);
          return [...new Int32Array(memory.buffer, 4096 + at * 64, count)];
        });
        expect(results[0]).toEqual(results[1]);
      }
    }
  });
});

describe("handing vectors over", () => {
  it("puts them all in, in order, by a file and, where that fails, number by number", async () => {
    const folder = await emptyFolder();
    const loaded = loadFaiss();
    if ("failure" in loaded) throw new Error(loaded.failure);
    const { IndexFlatIP } = loaded.addon;
    const next = random(5);
    const vectors = Float32Array.from({ length: 40 * 12 }, next);
    const reads: string[] = [];
    class Watched extends IndexFlatIP {
      static override read(path: string): FlatIndex {
        reads.push(path);
        return IndexFlatIP.read(path);
      }
    }
    class Unreadable extends IndexFlatIP {
      static override read(): FlatIndex {
        throw new Error("another format");
      }
    }
    const [watched, unreadable] = [new Watched(12), new Unreadable(12)];
    bulkAdder({ IndexFlatIP: Watched }, 12, folder)(watched, vectors);
    bulkAdder({ IndexFlatIP: Unreadable }, 12, folder)(unreadable, vectors);
    expect(reads.map((path) => dirname(path))).toEqual([folder, folder]);
    expect(readdirSync(folder)).toEqual([]);
    expect([watched.ntotal(), unreadable.ntotal()]).toEqual([40, 40]);
    const query = Array.from({ length: 12 }, next);
    expect(watched.search(query, 40)).toEqual(unreadable.search(query, 40));
  });

  it("deletes the files of processes that have ended, and no others", async () => {
    const loaded = loadFaiss();
    if ("failure" in loaded) throw new Error(loaded.failure);
    const folder = await emptyFolder();
    const ended = spawnSync(process.execPath, ["--version"]).pid;
    const running = `faiss-rows-${process.ppid}-0123456789ab.faiss`;
    for (const name of [`faiss-rows-${ended}-0123456789ab.faiss`, running, "notes.faiss"])
      writeFileSync(join(folder, name), "");
    bulkAdder(loaded.addon, 12, folder);
    expect(readdirSync(folder).sort()).toEqual([running, "notes.faiss"]);
  });
});

describe("loading FAISS", () => {
  /** What a process leaves behind that ended while it tried this addon. */
  function guardOf(pid: number): string {
    const binary = join(
      dirname(createRequire(__filename).resolve("faiss-node")),
      "..",
      "build",
      "Release",
      "faiss-node.node",
    );
    const { size, mtimeMs } = statSync(binary);
    return `${pid} ${binary} ${size} ${mtimeMs}`;
  }

  it("leaves no guard behind when it works", async () => {
    const guard = join(await emptyFolder(), "new", "guard");
    expect(tryFaiss(guard)).toHaveProperty("addon");
    expect(existsSync(guard)).toBe(false);
  });

  it("does not try an addon that ended a process, start after start, until it is another", async () => {
    const guard = join(await emptyFolder(), "guard");
    const ended = Number(execFileSync(process.execPath, ["-p", "process.pid"], { encoding: "utf8" }));
    writeFileSync(guard, guardOf(ended));
    for (let start = 0; start < 2; start++)
      expect(tryFaiss(guard)).toEqual({ failure: expect.stringContaining(guard) });
    expect(readFileSync(guard, "utf8")).toBe(guardOf(ended));
    writeFileSync(guard, guardOf(ended).replace(/\d+$/, "1"));
    expect(tryFaiss(guard)).toHaveProperty("addon");
    // Another window is trying it at this moment.
    writeFileSync(guard, guardOf(process.ppid));
    expect(tryFaiss(guard)).toHaveProperty("addon");
  });
});
