// FAISS and the flat index give the same hits, as VectorIndex requires.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { createVectorIndex } from "../../../../sidecar/workspace/vectors/create-vector-index";
import { loadFaiss, tryFaiss } from "../../../../sidecar/workspace/vectors/faiss-addon";
import { FaissIndex } from "../../../../sidecar/workspace/vectors/faiss-index";
import { FlatIndex } from "../../../../sidecar/workspace/vectors/flat-index";
import { quantized } from "../../../../sidecar/workspace/vectors/quantized";
import { blockRows } from "../../../../sidecar/workspace/vectors/quantized-matrix";
import { compareHits, type VectorHit, type VectorIndex } from "../../../../sidecar/workspace/vectors/vector-index";
import { emptyFolder } from "../folder";

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

function faiss(dimension: number, maxVectors?: number): FaissIndex {
  const loaded = loadFaiss();
  if ("failure" in loaded) throw new Error(`FAISS must load where the tests run: ${loaded.failure}`);
  return new FaissIndex(loaded.addon, dimension, "test", maxVectors);
}

/** Tolerance of scores, because sums are added in another order. */
const precision = 3e-5;

/** Checks for the same scores, and the same ids where scores differ. */
function expectSame(hits: readonly VectorHit[], right: readonly VectorHit[], count: number): void {
  expect(hits).toHaveLength(count);
  for (const [i, hit] of hits.entries()) {
    expect(Math.abs(hit.score - (right[i]?.score ?? NaN))).toBeLessThan(precision);
    const near = [hits[i - 1], hits[i + 1]].some(
      (other) => other !== undefined && other.score !== hit.score && Math.abs(other.score - hit.score) < precision,
    );
    if (!near && i < count - 1) expect(right[i]?.id).toBe(hit.id);
  }
}

/** An index, and one that adds all vectors to FAISS before it is searched. */
const kinds: [string, (dimension: number) => VectorIndex][] = [
  ["faiss", (dimension) => searchedSettled(faiss(dimension))],
  ["faiss", (dimension) => faiss(dimension)],
  ["flat", (dimension) => new FlatIndex(dimension, "test")],
];

/** Lets the index do all its deferred work. */
function settled<T extends VectorIndex>(index: T): T {
  while (index.maintain(5));
  return index;
}

function searchedSettled(index: VectorIndex): VectorIndex {
  const search = index.search.bind(index);
  index.search = (...given) => {
    settled(index);
    return search(...given);
  };
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

  it("puts lower ids first among equal scores, also when only some of them are among the k best", () => {
    const index = create(3);
    for (const id of [90, 12, 55, 3, 41, 77, 8, 100, 64, 31, 29, 2]) index.add(id, quantized(Float32Array.of(0, 1, 0)));
    index.add(1, quantized(Float32Array.of(1, 0, 0)));
    expect(index.search(Float32Array.of(0, 1, 0), 4).map((hit) => hit.id)).toEqual([2, 3, 8, 12]);
    index.remove([3, 12]);
    expect(index.search(Float32Array.of(0, 1, 0), 3).map((hit) => hit.id)).toEqual([2, 8, 29]);
  });

  it("returns all vectors when k is larger, and nothing when it is empty", () => {
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

  it("finds the k best accepted vectors, however many are not accepted", () => {
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

describe("FAISS and the flat index", () => {
  it.each([
    ["all vectors handed over", () => true],
    ["some of them still waiting", (round: number) => round % 3 === 0],
  ])("agree on random vectors through additions and removals, with %s", (_, settlesIn) => {
    const dimension = 48;
    const next = random(1);
    const a = faiss(dimension);
    const b = new FlatIndex(dimension, "test");
    const live: number[] = [];
    let id = 0;
    for (let round = 0; round < 12; round++) {
      // Some vectors twice, so that there are equals.
      const drawn = Array.from({ length: 250 }, () => unitVector(next, dimension));
      for (const vector of drawn.flatMap((each, i) => (i % 10 === 0 ? [each, each] : [each]))) {
        a.add(id, quantized(vector));
        b.add(id, quantized(vector));
        live.push(id++);
      }
      if (settlesIn(round)) settled(a);
      const gone = live.filter(() => next() > (round % 4 === 3 ? -0.6 : 0.7));
      a.remove(gone);
      b.remove(gone);
      for (const each of gone) live.splice(live.indexOf(each), 1);
      expect(a.size).toBe(live.length);
      expect(b.size).toBe(live.length);
      for (const k of [1, 5, 40, live.length + 10]) {
        const query = unitVector(next, dimension);
        expectSame(a.search(query, k), b.search(query, k), Math.min(k, live.length));
      }
    }
  });

  it("take turns when the number of vectors passes FAISS's limit", () => {
    const index = faiss(4, 10);
    const next = random(2);
    for (let id = 0; id < 10; id++) index.add(id, quantized(unitVector(next, 4)));
    expect(settled(index)).toMatchObject({ name: "faiss", reason: "test", size: 10, dimension: 4 });
    index.add(10, quantized(unitVector(next, 4)));
    expect(index).toMatchObject({ name: "flat", reason: expect.stringContaining("more than 10 "), size: 11 });
    expect(index.search(unitVector(next, 4), 20)).toHaveLength(11);
    index.remove([1, 2, 3]);
    expect(index.name).toBe("flat");
    index.remove(Array.from({ length: 11 }, (_, id) => id));
    expect(index).toMatchObject({ name: "faiss", size: 0 });
    index.add(0, quantized(Float32Array.of(0, 0, 0, 1)));
    expect(settled(index).search(Float32Array.of(0, 0, 0, 1), 3)).toEqual([{ id: 0, score: expect.closeTo(1, 6) }]);
  });

  it("are chosen with a reason", () => {
    expect(createVectorIndex(8)).toMatchObject({ name: "faiss", dimension: 8, size: 0 });
    expect(createVectorIndex(8, { preferred: "flat" })).toMatchObject({ name: "flat", reason: "chosen by an option" });
  });
});

describe("FAISS", () => {
  it("gets the vectors in slices of time", () => {
    const index = faiss(256);
    const next = random(4);
    for (let id = 0; id < 300; id++) index.add(id, quantized(unitVector(next, 256)));
    expect(index.maintain(0)).toBe(true);
    expect(settled(index).maintain(0)).toBe(false);
  });

  it("searches once it has every vector, and not before", () => {
    const loaded = loadFaiss();
    if ("failure" in loaded) throw new Error(loaded.failure);
    let searches = 0;
    class Counted extends loaded.addon.IndexFlatIP {
      override search(query: number[], k: number) {
        searches += 1;
        return super.search(query, k);
      }
    }
    const index = new FaissIndex({ IndexFlatIP: Counted }, 2, "test");
    index.add(0, quantized(Float32Array.of(1, 0)));
    const right = [{ id: 0, score: expect.closeTo(1, 6) }];
    expect(index.search(Float32Array.of(1, 0), 1)).toEqual(right);
    expect(searches).toBe(0);
    expect(settled(index).search(Float32Array.of(1, 0), 1)).toEqual(right);
    expect(searches).toBe(1);
  });
});

describe("the flat index", () => {
  it("gives the products of floats, in dimensions that fill the kernel's rows and in others", () => {
    for (const dimension of [1, 7, 8, 17, 256, 896]) {
      const next = random(dimension);
      const index = new FlatIndex(dimension, "test");
      // More than one block, and not a multiple of the rows that the kernel reads together.
      const vectors = Array.from({ length: 2 * blockRows + 3 }, () => unitVector(next, dimension));
      for (const [id, vector] of vectors.entries()) index.add(id, quantized(vector));
      const query = unitVector(next, dimension);
      const right = vectors
        .map((vector, id) => ({ id, score: vector.reduce((sum, x, i) => sum + x * (query[i] ?? 0), 0) }))
        .sort(compareHits);
      expectSame(index.search(query, 20), right.slice(0, 20), 20);
    }
  });

  it("keeps sums in 32 bits, whatever the lengths of vectors and query", () => {
    const dimension = 896;
    for (const length of [1e-6, 1, 1000]) {
      const index = new FlatIndex(dimension, "test");
      // All components at the largest integer: the largest sum that a row can make.
      const ones = new Float32Array(dimension).fill(length);
      index.add(0, quantized(ones));
      index.add(1, quantized(ones.map((x) => -x)));
      const hits = index.search(ones, 2);
      expect(hits.map(({ id }) => id)).toEqual([0, 1]);
      expect((hits[0]?.score ?? 0) / (dimension * length * length)).toBeCloseTo(1, 4);
    }
  });

  it.each(["Memory", "Module"] as const)("gives the same hits without WebAssembly.%s", (name) => {
    const next = random(7);
    const vectors = Array.from({ length: 700 }, () => Float32Array.from({ length: 20 }, () => next() - 0.5));
    const fill = (): FlatIndex => {
      const index = new FlatIndex(20, "test");
      for (const [id, vector] of vectors.entries()) index.add(id, quantized(vector));
      index.remove([0, 5, 699, 300]);
      return index;
    };
    const usual = fill();
    const withoutIt = vi.spyOn(WebAssembly, name).mockImplementation(() => {
      throw new RangeError(`WebAssembly.${name}(): could not allocate memory`);
    });
    const plain = fill();
    expect(withoutIt).toHaveBeenCalledOnce();
    vi.restoreAllMocks();
    for (const query of vectors.slice(0, 20)) expect(plain.search(query, 10)).toEqual(usual.search(query, 10));
  });

  it("returns the floats of a vector", () => {
    const index = new FlatIndex(3, "test");
    index.add(5, quantized(Float32Array.of(0.5, -0.25, 0)));
    expect(index.vector(5)?.map((x) => Math.round(x * 1000) / 1000)).toEqual(Float32Array.of(0.5, -0.25, 0));
    expect(index.vector(6)).toBeUndefined();
  });
});

describe("loading FAISS", () => {
  /** Writes the guard file that `ended` processes leave that ended while they tried this addon. */
  function guardOf(pid: number, ended: number): string {
    const binary = join(
      dirname(createRequire(__filename).resolve("faiss-node")),
      "..",
      "build",
      "Release",
      "faiss-node.node",
    );
    const { size, mtimeMs } = statSync(binary);
    return `${pid} ${ended} ${binary} ${size} ${mtimeMs}`;
  }

  it("deletes the guard file when it works", async () => {
    const guard = join(await emptyFolder(), "new", "guard");
    expect(tryFaiss(guard)).toHaveProperty("addon");
    expect(existsSync(guard)).toBe(false);
  });

  const endedPid = (): number => Number(execFileSync(process.execPath, ["-p", "process.pid"], { encoding: "utf8" }));

  it("tries an addon again after one process ended, which may have been killed", async () => {
    const guard = join(await emptyFolder(), "guard");
    writeFileSync(guard, guardOf(endedPid(), 1));
    expect(tryFaiss(guard)).toHaveProperty("addon");
    expect(existsSync(guard)).toBe(false);
  });

  it("does not try an addon that ended two processes in a row, until it is replaced or a day has passed", async () => {
    const guard = join(await emptyFolder(), "guard");
    const twice = guardOf(endedPid(), 2);
    writeFileSync(guard, twice);
    for (let start = 0; start < 2; start++)
      expect(tryFaiss(guard)).toEqual({ failure: expect.stringMatching(/2 processes ended.*guard is deleted/) });
    expect(readFileSync(guard, "utf8")).toBe(twice);
    writeFileSync(guard, twice.replace(/\d+$/, "1"));
    expect(tryFaiss(guard)).toHaveProperty("addon");
    writeFileSync(guard, twice);
    const yesterday = Date.now() / 1000 - 25 * 3600;
    utimesSync(guard, yesterday, yesterday);
    expect(tryFaiss(guard)).toHaveProperty("addon");
  });

  it("does not count another process that is trying it at this moment", async () => {
    const guard = join(await emptyFolder(), "guard");
    writeFileSync(guard, guardOf(process.ppid, 2));
    expect(tryFaiss(guard)).toHaveProperty("addon");
  });

  it.each(["", "rubbish", "1 x y", "99999999999999999999 9 z"])(
    "tries an addon where the guard says %j",
    async (content) => {
      const guard = join(await emptyFolder(), "guard");
      writeFileSync(guard, content);
      expect(tryFaiss(guard)).toHaveProperty("addon");
    },
  );
});
