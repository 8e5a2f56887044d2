// Models converted from GGUF files have the right bytes and names, and are complete or absent.
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { chmod, copyFile, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadModelPackage } from "../../../sidecar/inference/package/model-package";
import { type AddedModel, AddModelError, type AddStep, addModel } from "../../../sidecar/models/add-model";
import { GgufError, GgufFile } from "../../../sidecar/models/gguf-file";
import { chosenModel } from "../../../sidecar/models/model-folders";
import type { Recipe } from "../../../sidecar/models/recipe";
import { tensorType } from "../../../sidecar/models/tensor-types";
import { type BuiltTensor, buildGguf, type GgufParts } from "./gguf-builder";
import { type TinyCatalogue, tinyCatalogue, tinyFixture, tinyGguf } from "./tiny-model";

let tiny: TinyCatalogue;

beforeEach(async () => {
  tiny = await tinyCatalogue();
});
afterEach(() => tiny.remove());

function add(file = tinyGguf, options: Partial<Parameters<typeof addModel>[0]> = {}): Promise<AddedModel> {
  return addModel({ file, folders: tiny.folders, exactProducts: true, ...options });
}

/** A copy of the tiny file that is not the catalogue's: a byte behind its tensors. */
async function otherFile(name: string, change = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.of(1)])) {
  const path = join(tiny.root, name);
  await writeFile(path, change(await readFile(tinyGguf)));
  return path;
}

const installed = (): Promise<string[]> => readdir(tiny.folders.installed).catch(() => []);
const recipeOf = async (): Promise<Recipe> => JSON.parse(await readFile(join(tinyFixture, "recipe.json"), "utf8"));

describe("a file of the catalogue", () => {
  it.each([
    [true, "int8"],
    [false, "int7"],
  ] as const)(
    "becomes, where products are exact: %s, the weights that Python makes of it (%s)",
    async (exactProducts, variant) => {
      const added = await add(tinyGguf, { exactProducts });
      const pinned = (await recipeOf()).files["weights.bin"]?.pinned[variant];
      expect(added).toMatchObject({ name: "tiny", catalogued: true, model: "tiny", variant, present: false });
      expect(added.written).toEqual({ "weights.bin": pinned });
      const written = await readFile(join(added.folder, "weights.bin"));
      expect(createHash("sha256").update(written).digest("hex")).toBe(pinned?.sha256);
      expect(await installed()).toEqual(["tiny"]);
    },
  );

  it("becomes a package that loads, with its source in model.json", async () => {
    const { folder, sha256, bytes } = await add();
    const model = await loadModelPackage(folder);
    expect(model.name).toBe("tiny");
    expect(model.source).toEqual({
      file: "tiny.gguf",
      bytes: (await stat(tinyGguf)).size,
      sha256,
      model: "tiny",
      catalogued: true,
      variant: "int8",
    });
    const sizes = Object.values(model.files).map((file) => file.bytes);
    expect(bytes).toBe(sizes.reduce((sum, size) => sum + size, 0));
  });

  it("reports progress in steps that reach their end", async () => {
    const seen: [AddStep, number, number][] = [];
    await add(tinyGguf, { onProgress: (...far) => seen.push(far) });
    expect([...new Set(seen.map(([step]) => step))]).toEqual(["reading", "converting", "checking"]);
    for (const step of ["reading", "converting"]) {
      const [, done, total] = seen.findLast(([each]) => each === step) ?? [];
      expect(done).toBe(total);
    }
  });

  it("is not converted twice, unless the package is damaged or made for another processor or version", async () => {
    const first = await add();
    const weights = join(first.folder, "weights.bin");
    const { mtimeMs } = await stat(weights);
    expect(await add()).toEqual({ ...first, present: true });
    expect((await stat(weights)).mtimeMs).toBe(mtimeMs);

    await writeFile(weights, Buffer.alloc((await stat(weights)).size));
    expect((await add()).present).toBe(false);
    expect((await add()).present).toBe(true);

    expect((await add(tinyGguf, { exactProducts: false })).present).toBe(false);
    expect(await add(tinyGguf, { exactProducts: false })).toMatchObject({ variant: "int7", present: true });

    const path = join(first.folder, "model.json");
    const manifest = JSON.parse(await readFile(path, "utf8"));
    const card = Buffer.from("an older card");
    await writeFile(join(first.folder, "MODEL_CARD.md"), card);
    manifest.files["MODEL_CARD.md"] = { bytes: card.length, sha256: createHash("sha256").update(card).digest("hex") };
    await writeFile(path, JSON.stringify(manifest));
    expect((await add(tinyGguf, { exactProducts: false })).present).toBe(false);
    expect(await installed()).toEqual(["tiny"]);
  });

  it("is refused when this machine computes other weights than the pinned ones", async () => {
    const path = join(tiny.folders.packaged, "tiny", "recipe.json");
    const recipe = await recipeOf();
    for (const file of Object.values(recipe.files)) file.pinned.int8.sha256 = "0".repeat(64);
    await writeFile(path, JSON.stringify(recipe));
    await expect(add()).rejects.toThrow(/weights\.bin: expected SHA-256 0+ of tiny \(int8\), found [0-9a-f]{64}/);
    expect(await installed()).toEqual([]);
  });
});

describe("a file of a catalogued shape", () => {
  it("becomes a model with the file's name or the given one, marked as not in the catalogue", async () => {
    const file = await otherFile("My Fine-Tune (v2).GGUF");
    const added = await add(file);
    expect(added).toMatchObject({ name: "my-fine-tune-v2", catalogued: false, model: "tiny" });
    expect((await loadModelPackage(added.folder)).source).toMatchObject({ catalogued: false, model: "tiny" });
    const given = await add(file, { name: "mine" });
    expect(given.name).toBe("mine");
    expect((await installed()).sort()).toEqual(["mine", "my-fine-tune-v2"]);
  });

  it("cannot get the name of another model", async () => {
    await add(await otherFile("mine.gguf"));
    const other = await otherFile("another.gguf", (bytes) => Buffer.concat([bytes, Buffer.of(2, 3)]));
    await expect(add(other, { name: "mine" })).rejects.toThrow(
      /expected a name that no model has, found mine converted from mine\.gguf/i,
    );
    await expect(add(other, { name: "tiny" })).rejects.toThrow(/not in the catalogue/);
    await expect(add(other, { name: "small" })).rejects.toThrow(AddModelError);
    for (const name of ["", "../x", "a/b", ".hidden", "UPPER", "x".repeat(101)])
      await expect(add(other, { name })).rejects.toThrow(/Give one with --name/);
    expect(await installed()).toEqual(["mine"]);
  });

  it("is refused with tensor and row when it has numbers that are not finite", async () => {
    const nan = await otherFile("nan.gguf", (bytes) => {
      const at = bytes.indexOf("Q8_0.weight");
      expect(at).toBeGreaterThan(0);
      // In the last tensor, the second of the biases: its last number.
      bytes.writeUInt32LE(0x7fc00000, bytes.length - 4);
      return bytes;
    });
    await expect(add(nan)).rejects.toThrow(/expected finite numbers in bias\.b\.weight, found NaN in row 255/);
    expect(await installed()).toEqual([]);
  });
});

describe("a file of another shape is refused with what was expected and found", () => {
  const tokens = ["a", "b"];
  const parts: GgufParts = {
    metadata: {
      "general.architecture": "llama",
      "llama.block_count": { u32: 30 },
      "tokenizer.ggml.tokens": { texts: tokens },
    },
    tensors: [{ name: "token_embd.weight", shape: [8, 2], type: 0, data: new Uint8Array(64) }],
  };

  it("another architecture", async () => {
    const path = join(tiny.root, "llama.gguf");
    await writeFile(path, buildGguf(parts).bytes);
    const refused = await add(path).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(GgufError);
    expect(String(refused)).toMatch(
      /tiny: architecture qwen2, 2 layers, 256 numbers a token.*found architecture llama, 30 layers, unknown numbers a token.*2 rows of the vocabulary/,
    );
  });

  it("another number of layers, other tokens, a tensor that is missing or has another shape", async () => {
    const replaced = (from: string, to: string) => (bytes: Buffer) => {
      const at = bytes.indexOf(from);
      expect(at).toBeGreaterThan(0);
      bytes.write(to, at);
      return bytes;
    };
    const layers = await otherFile("layers.gguf", (bytes) => {
      const key = "qwen2.block_count";
      bytes.writeUInt32LE(3, bytes.indexOf(key) + key.length + 4);
      return bytes;
    });
    await expect(add(layers)).rejects.toThrow(/2 layers.*found architecture qwen2, 3 layers/);
    await expect(add(await otherFile("tokens.gguf", replaced("<fim_prefix>", "<fim_PREFIX>")))).rejects.toThrow(
      /expected the tokens of tiny, found "<fim_PREFIX>" where token \d+ is "<fim_prefix>"/,
    );
    await expect(add(await otherFile("missing.gguf", replaced("Q8_0.weight", "Q8_1.weight")))).rejects.toThrow(
      /expected the tensor Q8_0\.weight, found none/,
    );
    const shape = await otherFile("shape.gguf", (bytes) => {
      // Of the list of tensors: name, number of dimensions, columns, rows.
      const at = bytes.indexOf("Q4_K.weight") + "Q4_K.weight".length;
      expect(bytes.readBigUInt64LE(at + 12)).toBe(8n);
      bytes.writeBigUInt64LE(7n, at + 12);
      return bytes;
    });
    await expect(add(shape)).rejects.toThrow(/in 14 rows of Q4_K\.weight, Q5_K\.weight, found 13 rows of 256/);
    expect(await installed()).toEqual([]);
  });
});

describe("a file with two names for one matrix", () => {
  /** A row of the vocabulary for each token, and again as the head, with numbers changed by `change`. */
  async function withHead(file: string, change: (number: number, at: number) => number): Promise<string> {
    const original = await GgufFile.open(tinyGguf);
    const embedding = original.tensors.get("token_embd.weight");
    const tensors: BuiltTensor[] = [];
    for (const { name, type, columns, rows, bytes, offset } of original.tensors.values()) {
      const data = new Uint8Array(bytes);
      await original.read(data, offset);
      const id = [0, 1, 2, 6, 8, 12, 13, 14, 30].find((each) => tensorType(each) === type) ?? -1;
      tensors.push({ name, shape: columns === 1 ? [rows] : [columns, rows], type: id, data });
      if (name !== "token_embd.weight") continue;
      const numbers = new Float32Array(columns * rows);
      type.dequantize(new DataView(data.buffer), numbers.length, numbers);
      tensors.push({
        name: "output.weight",
        shape: [columns, embedding?.rows ?? 0],
        type: 0,
        data: new Uint8Array(numbers.map(change).buffer),
      });
    }
    const tokens = original.texts("tokenizer.ggml.tokens") ?? [];
    const metadata = {
      "general.architecture": "qwen2",
      "qwen2.block_count": { u32: 2 },
      "qwen2.embedding_length": { u32: 256 },
      "qwen2.feed_forward_length": { u32: 64 },
      "qwen2.attention.head_count": { u32: 3 },
      "qwen2.attention.head_count_kv": { u32: 1 },
      "qwen2.rope.freq_base": { f32: 10000 },
      "qwen2.attention.layer_norm_rms_epsilon": { f32: 1e-6 },
      "tokenizer.ggml.tokens": { texts: tokens },
    };
    await original.close();
    const path = join(tiny.root, file);
    await writeFile(path, buildGguf({ metadata, tensors }).bytes);
    return path;
  }

  it("is accepted when they differ by rounding, and the first name is used", async () => {
    const same = await add(await withHead("same.gguf", (number) => number));
    const rounded = await add(await withHead("rounded.gguf", (number) => Math.round(number * 8) / 8));
    const pinned = (await recipeOf()).files["weights.bin"]?.pinned.int8;
    expect(same.written["weights.bin"]).toEqual(pinned);
    expect(rounded.written["weights.bin"]?.bytes).toBe(pinned?.bytes);
    expect(rounded.written["weights.bin"]?.sha256).not.toBe(pinned?.sha256);
  });

  it("is refused when they are different matrices", async () => {
    const other = await withHead("other.gguf", (number, at) => (at % 2 === 0 ? number : -number));
    await expect(add(other)).rejects.toThrow(
      /expected the same matrix as output\.weight and as token_embd\.weight, found two \(cosine -?0\.\d+ over 16 rows\)/,
    );
    expect(await installed()).toEqual([]);
  });
});

describe("a conversion that fails leaves no files:", () => {
  it.each(["reading", "converting", "checking"] as const)("cancelled while %s", async (during) => {
    const cancel = new AbortController();
    await expect(
      add(tinyGguf, { signal: cancel.signal, onProgress: (step) => step === during && cancel.abort() }),
    ).rejects.toThrow(/abort/i);
    expect(await installed()).toEqual([]);
    expect((await add()).present).toBe(false);
  });

  it("the file changes during the conversion", async () => {
    const file = join(tiny.root, "tiny.gguf");
    await copyFile(tinyGguf, file);
    let touched = false;
    const adding = add(file, {
      onProgress: (step) => {
        if (step !== "converting" || touched) return;
        touched = true;
        writeFileSync(file, Buffer.alloc(200_000));
      },
    });
    await expect(adding).rejects.toThrow(GgufError);
    expect(await installed()).toEqual([]);
  });

  it("a file of the extension is damaged", async () => {
    await writeFile(
      join(tiny.folders.packaged, "tiny", "tokenizer.json"),
      `${await readFile(join(tiny.folders.packaged, "tiny", "tokenizer.json"), "utf8")} `,
    );
    await expect(add()).rejects.toThrow(/tokenizer\.json: expected SHA-256 .* Install the extension again/);
    expect(await installed()).toEqual([]);
  });

  it.skipIf(process.getuid?.() === 0 || process.platform === "win32")("a folder that cannot be written", async () => {
    await mkdir(tiny.folders.installed, { mode: 0o500 });
    await expect(add()).rejects.toThrow(/EACCES|permission/);
    await chmod(tiny.folders.installed, 0o700);
  });
});

describe("the temporary folder of a process that has ended", () => {
  it("is deleted with the next conversion, and those of running processes and other machines are not", async () => {
    const { installed: folder } = tiny.folders;
    const id = "01234567-89ab-4cde-8f01-23456789abcd";
    const ended = `.adding~${hostname()}~${2 ** 22 + 1}~${id}`;
    const running = `.adding~${hostname()}~${process.ppid}~${id}`;
    const foreign = `.adding~elsewhere~1~${id}`;
    for (const name of [ended, running, foreign]) await mkdir(join(folder, name), { recursive: true });
    await writeFile(join(folder, ".unknown"), "");
    await add();
    expect((await installed()).sort()).toEqual([".unknown", running, foreign, "tiny"].sort());
    await rm(join(folder, running), { recursive: true });
  });

  it("is not listed as a model", () => {
    expect(chosenModel(tiny.folders)).toBe("small");
  });
});
