// The KV cache: entries are found by prefix, trimmed, copied and evicted, with every row in its place.
import { describe, expect, it } from "vitest";
import type { NewRows } from "../../../sidecar/inference/graph";
import { type CacheShape, type KvCacheEntry, KvCachePool } from "../../../sidecar/inference/kv-cache";
import { loadOnnxRuntime } from "../../../sidecar/inference/onnx-runtime";

const runtime = await loadOnnxRuntime();
const shape: CacheShape = { layers: 2, keyValueHeads: 3, headDim: 4, needLength: 2, type: "float32" };
const bytesOfToken = 2 * (2 * 3 * 4 + 2) * 4;

const ids = (...tokens: number[]): Int32Array => Int32Array.from(tokens);
const range = (from: number, to: number): Int32Array => Int32Array.from({ length: to - from }, (_, i) => from + i);

/** Rows whose numbers encode layer, head and token. */
function rowsOf(tokens: Int32Array, { type }: CacheShape = shape): NewRows {
  const make = (heads: number, size: number): number[] =>
    Array.from({ length: 2 * heads }, (_, at) =>
      [...tokens].flatMap((token) => Array.from({ length: size }, () => at * 1000 + token)),
    ).flat();
  const numbers = type === "float16" ? Uint16Array.from(make(3, 4)) : Float32Array.from(make(3, 4));
  return { key: numbers, value: numbers.map((value: number) => value + 7), need: Float32Array.from(make(1, 2)) };
}

/** Takes the cached prefix of `tokens`, appends the rest, and returns the length of the prefix. */
function read(pool: KvCachePool, tokens: Int32Array, of: CacheShape = shape): { sequence: KvCacheEntry; held: number } {
  const sequence = pool.take(tokens, tokens.length - 1);
  const held = sequence.length;
  pool.makeRoom(sequence, tokens.length);
  sequence.append(tokens.slice(held), rowsOf(tokens.slice(held), of));
  return { sequence, held };
}

/** The tokens encoded in the buffers' rows, checked in every layer and head. */
function told(sequence: KvCacheEntry): number[] {
  const { length, tensors } = sequence.past()!;
  const tokens: number[] = [];
  for (let token = 0; token < length; token++) {
    const seen = new Set<number>();
    for (const [name, blocks, first, size, extra] of [
      ["past.need", 2, 0, 2, 0],
      ["past.0.key", 3, 0, 4, 0],
      ["past.1.key", 3, 3, 4, 0],
      ["past.0.value", 3, 0, 4, 7],
      ["past.1.value", 3, 3, 4, 7],
    ] as const) {
      const { data, dims } = tensors.get(name)!;
      const capacity = dims.at(-2)!;
      for (let block = 0; block < blocks; block++)
        for (let at = 0; at < size; at++)
          seen.add(Number(data[(block * capacity + token) * size + at]) - extra - (first + block) * 1000);
    }
    expect(seen.size).toBe(1);
    tokens.push(...seen);
  }
  return tokens;
}

describe.each(["float32", "float16"] as const)("a pool of %s", (type) => {
  const of: CacheShape = { ...shape, type };

  it("keeps each row at its position while a text grows, is trimmed and grows again", () => {
    const pool = new KvCachePool(runtime, of, 1e9);
    read(pool, range(1, 100), of);
    read(pool, range(1, 300), of);
    const { sequence, held } = read(pool, ids(...range(1, 250), 500, 501), of);
    expect(held).toBe(249);
    expect(told(sequence)).toEqual([...range(1, 250), 500, 501]);
    expect(pool.size).toBe(1);
    expect(sequence.past()!.tensors.get("past.1.key")!.type).toBe(type);
  });

  it("copies the common prefix when it is the smaller part of the cached text", () => {
    const pool = new KvCachePool(runtime, of, 1e9);
    const first = read(pool, range(1, 200), of).sequence;
    const second = read(pool, ids(...range(1, 50), ...range(600, 700)), of);
    expect([second.held, pool.size]).toEqual([49, 2]);
    expect(told(second.sequence)).toEqual([...range(1, 50), ...range(600, 700)]);
    expect(told(first)).toEqual([...range(1, 200)]);
    expect(read(pool, range(1, 210), of).held).toBe(199);
  });
});

describe("a pool", () => {
  it("returns at most the tokens asked for, and none of a text with another beginning", () => {
    const pool = new KvCachePool(runtime, shape, 1e9);
    read(pool, range(1, 100));
    expect(pool.take(range(1, 100), 90).length).toBe(90);
    const other = pool.take(range(2, 50), 40);
    expect([other.length, other.past()]).toEqual([0, undefined]);
  });

  it("evicts the least recently used text, within its limit, but never the text in use", () => {
    // A text of 100 tokens has a capacity of 192.
    const pool = new KvCachePool(runtime, shape, 2.5 * 192 * bytesOfToken);
    read(pool, range(0, 100));
    read(pool, range(1000, 1100));
    expect(pool.usedBytes).toBe(2 * 192 * bytesOfToken);
    read(pool, ids(...range(0, 100), 5));
    read(pool, range(2000, 2100));
    expect(pool.size).toBe(2);
    expect(read(pool, range(1000, 1100)).held).toBe(0);
    expect(read(pool, range(2000, 2101)).held).toBe(100);
    const { sequence } = read(pool, range(5000, 6000));
    expect([pool.size, sequence.length]).toEqual([1, 1000]);
  });

  it.each(["float32", "float16"] as const)(
    "reuses an evicted text's memory for a new text of about its size, without the old rows (%s)",
    (type) => {
      const of: CacheShape = { ...shape, type };
      const pool = new KvCachePool(runtime, of, 1);
      const memory = (sequence: KvCacheEntry): unknown =>
        (sequence.past()!.tensors.get("past.need")!.data as Float32Array).buffer;
      const first = memory(read(pool, range(0, 200), of).sequence);
      const second = read(pool, range(1000, 1150), of).sequence;
      expect(memory(second)).toBe(first);
      expect(told(second)).toEqual([...range(1000, 1150)]);
      // Bytes of other types may be NaN, which the graph must not read after the rows either.
      if (type === "float16") expect(second.past()!.tensors.get("past.1.value")!.data.at(-1)).toBe(0);
      expect(memory(read(pool, range(0, 20), of).sequence)).not.toBe(first);
      expect(pool.size).toBe(1);
    },
  );
});
