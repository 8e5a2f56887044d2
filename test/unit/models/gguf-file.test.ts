// Valid GGUF files are read, and truncated, changed or malicious ones are refused.
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GgufError, GgufFile } from "../../../sidecar/models/gguf-file";
import { random } from "../completion/random";
import { type BuiltGguf, type BuiltTensor, buildGguf, type GgufParts, text, u32, u64 } from "./gguf-builder";

let folder = "";
let path = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "selfracg-gguf-"));
  path = join(folder, "model.gguf");
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const floats: BuiltTensor = {
  name: "blk.0.attn_norm.weight",
  shape: [4],
  type: 0,
  data: new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer),
};
const matrix: BuiltTensor = {
  name: "blk.0.attn_q.weight",
  shape: [64, 3],
  type: 8,
  data: new Uint8Array(3 * 2 * 34).map((_, i) => i),
};
const parts: GgufParts = {
  metadata: {
    "general.architecture": "qwen2",
    "qwen2.block_count": { u32: 24 },
    "qwen2.context_length": { u64: 32768n },
    "qwen2.rope.freq_base": { f32: 1e6 },
    "tokenizer.ggml.tokens": { texts: ["a", "b", "ä"] },
    "tokenizer.ggml.add_bos_token": { bool: false },
  },
  tensors: [floats, matrix],
};

async function write(bytes: Uint8Array): Promise<void> {
  await writeFile(path, bytes);
}

async function refusal(bytes: Uint8Array): Promise<string> {
  await write(bytes);
  const error = await GgufFile.open(path).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(GgufError);
  return error instanceof Error ? error.message : "";
}

/** A copy with bytes written over at one place. */
function changed(built: BuiltGguf, at: number, bytes: Uint8Array): Buffer {
  const copy = Buffer.from(built.bytes);
  copy.set(bytes, at);
  return copy;
}

describe("a GGUF file", () => {
  it("has metadata, and tensors with their offset in the file", async () => {
    await write(buildGguf(parts).bytes);
    const file = await GgufFile.open(path);
    expect(file.text("general.architecture")).toBe("qwen2");
    expect(file.number("qwen2.block_count")).toBe(24);
    expect(file.number("qwen2.context_length")).toBe(32768);
    expect(file.number("qwen2.rope.freq_base")).toBe(1e6);
    expect(file.texts("tokenizer.ggml.tokens")).toEqual(["a", "b", "ä"]);
    expect(file.text("qwen2.block_count")).toBeUndefined();
    expect(file.number("general.architecture")).toBeUndefined();
    expect(file.texts("general.architecture")).toBeUndefined();
    const [first, second] = [...file.tensors.values()];
    expect(first).toMatchObject({ name: floats.name, columns: 1, rows: 4, bytes: 16 });
    expect(second).toMatchObject({ name: matrix.name, columns: 64, rows: 3, bytes: matrix.data.length });
    const data = new Uint8Array(matrix.data.length);
    await file.read(data, second?.offset ?? 0);
    expect(data).toEqual(matrix.data);
    await file.close();
  });

  it("may have another alignment", async () => {
    await write(buildGguf({ ...parts, alignment: 4096 }).bytes);
    const file = await GgufFile.open(path);
    expect(file.tensors.get(matrix.name)?.offset).toBe(2 * 4096);
    await file.close();
  });

  it("is refused when it is changed or truncated while it is open", async () => {
    const { bytes } = buildGguf(parts);
    await write(bytes);
    const file = await GgufFile.open(path);
    await file.checkUnchanged();
    await truncate(path, bytes.length - 100);
    await expect(file.read(new Uint8Array(200), bytes.length - 200)).rejects.toThrow(/was changed while it was read/);
    await expect(file.checkUnchanged()).rejects.toThrow(GgufError);
    await file.close();
  });

  it("has the SHA-256 that other programs compute, with progress", async () => {
    await write(Buffer.concat([buildGguf(parts).bytes, Buffer.alloc(3 << 20, 7)]));
    const file = await GgufFile.open(path);
    const seen: number[] = [];
    const expected = createHash("sha256")
      .update(await readFile(path))
      .digest("hex");
    expect(await file.sha256(undefined, (bytes) => seen.push(bytes))).toBe(expected);
    expect(seen.at(-1)).toBe(file.bytes);
    expect(seen.length).toBe(4);
    await expect(file.sha256(AbortSignal.abort(), () => {})).rejects.toThrow(/abort/i);
    await file.close();
  });
});

describe("an invalid file is refused with one sentence:", () => {
  const built = buildGguf(parts);

  it.each([
    ["nothing at all", Buffer.alloc(0), /expected a GGUF file, which begins with "GGUF", found an empty file/],
    ["a text", Buffer.from("<html>not found</html>"), /found "<htm"/],
    ["four letters", Buffer.from("GGUF"), /expected a whole GGUF file, found one of 4 bytes/],
    ["another version", changed(built, 4, u32(9)), /expected version 2 or 3 of the GGUF format, found 9/],
    ["another byte order", changed(built, 4, Buffer.from([0, 0, 0, 3])), /little-endian GGUF file, found a big-endian/],
    ["no tensors", changed(built, 8, u64(0n)), /expected 1 to 10000 tensors, found 0/],
    ["many tensors", changed(built, 8, u64(2n ** 63n)), /found 9223372036854775808/],
    ["much metadata", changed(built, 16, u64(2n ** 40n)), /at most 1000 entries of metadata/],
    ["a tensor more than there are", changed(built, 8, u64(3n)), /expected/],
    ["a key of four gigabytes", changed(built, 24, u64(2n ** 32n)), /expected a GGUF header/],
  ])("%s", async (_, bytes, message) => {
    expect(await refusal(bytes)).toMatch(message);
  });

  it.each([
    ["an alignment of 0", { metadata: { "general.alignment": { u32: 0 } } }, /general\.alignment/],
    ["an alignment of 3", { metadata: { "general.alignment": { u32: 3 } } }, /power of two/],
    ["an alignment of a text", { metadata: { "general.alignment": "32" } }, /general\.alignment/],
    ["an alignment beyond 32 bits", { metadata: { "general.alignment": { u64: 2n ** 40n } } }, /general\.alignment/],
    [
      "two tensors of one name",
      { tensors: [floats, floats] },
      /expected one tensor blk\.0\.attn_norm\.weight, found two/,
    ],
    ["a path for a name", { tensors: [{ ...floats, name: "../../etc/passwd" }] }, /tensor names/],
    ["no name", { tensors: [{ ...floats, name: "" }] }, /tensor names/],
    ["a long name", { tensors: [{ ...floats, name: "a".repeat(5000) }] }, /tensor names/],
    ["no dimensions", { tensors: [{ ...floats, shape: [] }] }, /1 to 4 dimensions/],
    ["five dimensions", { tensors: [{ ...floats, shape: [1, 1, 1, 1, 4] }] }, /1 to 4 dimensions/],
    ["a dimension of 0", { tensors: [{ ...floats, shape: [4, 0] }] }, /fit into the file/],
    ["huge dimensions", { tensors: [{ ...matrix, shape: [2 ** 31, 2 ** 31, 2 ** 31] }] }, /fit into the file/],
    ["a type nobody reads", { tensors: [{ ...floats, type: 39 }] }, /found the type with number 39/],
    ["half a block", { tensors: [{ ...matrix, shape: [48, 4] }] }, /rows of whole blocks of 32 numbers/],
    ["half a row", { tensors: [{ ...matrix, shape: [33] }] }, /whole blocks/],
  ] as const)("%s", async (_, change, message) => {
    expect(await refusal(buildGguf({ ...parts, ...change }).bytes)).toMatch(message);
  });

  it("a tensor that is not aligned, beyond the file's end, or inside another", async () => {
    const at = built.offsetFields.get(matrix.name) ?? 0;
    expect(await refusal(changed(built, at, u64(33n)))).toMatch(/multiple of 32 bytes, found 33/);
    expect(await refusal(changed(built, at, u64(2n ** 62n)))).toMatch(/found the file cut at/);
    expect(await refusal(changed(built, at, u64(0n)))).toMatch(/expected tensors that do not overlap/);
  });

  it("a folder, and a file that does not exist", async () => {
    await expect(GgufFile.open(folder)).rejects.toThrow(/found a folder/);
    await expect(GgufFile.open(join(folder, "none.gguf"))).rejects.toThrow(/Check the name/);
  });

  it("nested lists, and long lists, in little time and memory", async () => {
    // Lists of lists of lists whose counts promise a thousand times what is there.
    const nested = (depth: number): Buffer =>
      depth === 0 ? Buffer.alloc(0) : Buffer.concat([u32(9), u64(1_000_000n), nested(depth - 1)]);
    const bombs = [
      Buffer.concat([u32(9), nested(4)]),
      Buffer.concat([u32(9), u32(0), u64(2n ** 60n)]),
      Buffer.concat([u32(9), u32(0), u64(1_000_000n)]),
      Buffer.concat([u32(9), u32(99), u64(3n)]),
      Buffer.concat([u32(77)]),
      Buffer.concat([u32(8), u64(2n ** 60n)]),
    ];
    for (const raw of bombs)
      expect(await refusal(buildGguf({ ...parts, metadata: { bomb: { raw } } }).bytes)).toMatch(/^.*: expected .*\./);
  });

  it("a header that is longer than any model's", async () => {
    const texts = Object.fromEntries(Array.from({ length: 13 }, (_, i) => [`text${i}`, "x".repeat(1_000_000)]));
    expect(await refusal(buildGguf({ ...parts, metadata: texts }).bytes)).toMatch(/header of at most 12000000 bytes/);
  });

  it("every truncated file", async () => {
    const { bytes, dataEnd } = built;
    for (let length = 0; length < dataEnd; length += length < built.headerEnd ? 1 : 13)
      expect(await refusal(bytes.subarray(0, length))).toMatch(/: expected .*, found .*\./);
  });
});

describe("a header with random changes", () => {
  const built = buildGguf(parts);
  const key = built.bytes.indexOf(text("tokenizer.ggml.tokens"));
  const next = random(20260801);
  const below = (count: number): number => Math.floor(next() * count);

  /** A copy with one to three changes; every third time near one key of the metadata. */
  function damaged(nearKey: boolean): Buffer {
    const bytes = Buffer.from(built.bytes);
    for (let change = 0; change <= below(3); change++) {
      const at = nearKey ? key + below(60) : 4 + below(built.headerEnd - 4);
      const extremes = [0, 1, 0x7f, 0x80, 0xff, (bytes[at] ?? 0) ^ (1 << below(8)), below(256)];
      const length = below(4) === 0 ? 8 : 1;
      bytes.fill(extremes[below(extremes.length)] ?? 0, at, Math.min(at + length, built.headerEnd));
    }
    return bytes;
  }

  /** Reads every tensor, after a check that it lies in the file. @returns whether the file was refused */
  async function isRefused(size: number): Promise<boolean> {
    try {
      const file = await GgufFile.open(path);
      for (const tensor of file.tensors.values()) {
        expect(tensor.offset + tensor.bytes).toBeLessThanOrEqual(size);
        await file.read(new Uint8Array(tensor.bytes), tensor.offset);
      }
      await file.close();
      return false;
    } catch (error) {
      expect(error).toBeInstanceOf(GgufError);
      return true;
    }
  }

  it("is refused, or has tensors inside the file", { timeout: 120_000 }, async () => {
    let refused = 0;
    const rounds = 600;
    for (let round = 0; round < rounds; round++) {
      const bytes = damaged(round % 3 === 0);
      await write(bytes);
      if (await isRefused(bytes.length)) refused += 1;
    }
    // Both must occur, or the test would show nothing.
    expect(refused).toBeGreaterThan(rounds / 5);
    expect(refused).toBeLessThan(rounds);
  });
});
