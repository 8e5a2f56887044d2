// The tokenizer: the same ids as in Python for thousands of real lines, exact round trips, no special tokens from text.
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { loadModelPackage, type ModelPackage } from "../../../sidecar/inference/package/model-package";
import { Tokenizer } from "../../../sidecar/inference/tokenizer";
import { modelPath } from "../../model";

interface Reference {
  readonly tokenizerSha256: string;
  /** Origin, text, ids by Python's tokenizers. */
  readonly pieces: readonly ["real" | "made", string, number[]][];
}

let model: ModelPackage;
let tokenizer: Tokenizer;
let reference: Reference;

beforeAll(async () => {
  model = await loadModelPackage(modelPath);
  tokenizer = await Tokenizer.load(model);
  reference = JSON.parse(await readFile(resolve(import.meta.dirname, "../../fixtures/tokenizer/lines.json"), "utf8"));
});

describe("agreement with Python", () => {
  it("is tested with the tokenizer that ships", async () => {
    const found = createHash("sha256")
      .update(await readFile(model.tokenizerPath))
      .digest("hex");
    expect(
      found,
      `test/fixtures/tokenizer/lines.json was made with another tokenizer than ${model.tokenizerPath}: ` +
        "run `python test/fixtures/tokenizer/generate.py models/default/tokenizer.json`",
    ).toBe(reference.tokenizerSha256);
  });

  it("holds for the ids of thousands of real lines", () => {
    const real = reference.pieces.filter(([kind]) => kind === "real");
    expect(real.reduce((lines, [, text]) => lines + text.split("\n").length, 0)).toBeGreaterThan(3000);
    for (const [, text, ids] of real) expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(ids);
  });

  it("holds for rare white space, scripts, emoji and the text of special tokens", () => {
    const made = reference.pieces.filter(([kind]) => kind === "made");
    expect(made.length).toBeGreaterThan(500);
    for (const [, text, ids] of made) expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(ids);
  });

  it("holds with an empty word cache and with a full one", async () => {
    const all = reference.pieces.map(([, text]) => text).join("");
    const fresh = await Tokenizer.load(model);
    const first = fresh.encode(all);
    expect(fresh.encode(all)).toEqual(first);
    expect(tokenizer.encode(all)).toEqual(first);
  });
});

describe("round trip", () => {
  it("of encoding and decoding gives the same text", () => {
    for (const [, text, ids] of reference.pieces) {
      expect(tokenizer.decode(ids)).toBe(text);
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
    }
    expect(tokenizer.encode("")).toEqual([]);
    expect(tokenizer.decode([])).toBe("");
  });

  it("keeps a byte order mark and replaces an unpaired surrogate by U+FFFD", () => {
    expect(tokenizer.decode(tokenizer.encode("\ufeffa\ufeff"))).toBe("\ufeffa\ufeff");
    expect(tokenizer.decode(tokenizer.encode("a\ud83db"))).toBe("a\ufffdb");
  });

  it("works for a word of a hundred kilobytes", () => {
    const word = "abcdefgh".repeat(12_500);
    expect(tokenizer.decode(tokenizer.encode(word))).toBe(word);
  });
});

describe("special tokens", () => {
  it("are never produced by encoding text", () => {
    for (const name of model.prompt.stopTokens) {
      const id = tokenizer.tokenOf(name);
      for (const text of [name, `a ${name}b`, `${name}${name}`, name.slice(0, -1)]) {
        const ids = tokenizer.encode(text);
        expect(ids, text).not.toContain(id);
        expect(tokenizer.decode(ids)).toBe(text);
      }
    }
  });

  it("have ids by name and are decoded to their names", () => {
    const id = tokenizer.tokenOf(model.specialTokens.endOfText);
    expect(tokenizer.isSpecial(model.specialTokens.endOfText)).toBe(true);
    expect(tokenizer.decode([...tokenizer.encode("a"), id])).toBe(`a${model.specialTokens.endOfText}`);
    expect(tokenizer.isSpecial("a")).toBe(false);
    expect(() => tokenizer.tokenOf("<|unheard|>")).toThrow(
      /expected one of the special tokens <\|endoftext\|>.*found <\|unheard\|>/,
    );
  });
});

describe("the stream decoder", () => {
  it("buffers the bytes of an incomplete character", () => {
    const text = "a😀é東b";
    const stream = tokenizer.stream();
    const pieces = tokenizer.encode(text).map((id) => stream.push(id));
    expect(pieces.join("") + stream.end()).toBe(text);
    expect(pieces.every((piece) => !piece.includes("\ufffd"))).toBe(true);
    // The first byte of a multi-byte character gives no text yet.
    const single = [...Array(tokenizer.vocabularySize).keys()].find(
      (id) => tokenizer.bytesOf(id).length === 1 && tokenizer.bytesOf(id)[0] === 0xf0,
    )!;
    const broken = tokenizer.stream();
    expect(broken.push(single)).toBe("");
    expect(broken.end()).toBe("\ufffd");
  });

  it("throws for an id outside the vocabulary", () => {
    expect(() => tokenizer.stream().push(tokenizer.vocabularySize)).toThrow(RangeError);
    expect(() => tokenizer.decode([-1])).toThrow(/expected a token id of the vocabulary/);
  });
});

describe("other tokenizers", () => {
  it("are accepted if byte-level BPE, also with a normaliser and without a pre-tokenizer", async () => {
    const json = JSON.parse(await readFile(model.tokenizerPath, "utf8"));
    const plain = new Tokenizer({
      ...json,
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
    });
    expect(plain.decode(plain.encode("let x = 1;\n\treturn é"))).toBe("let x = 1;\n\treturn é");
    const text = reference.pieces.map(([, piece]) => piece).join("\n");
    expect(plain.decode(plain.encode(text))).toBe(text);
    const normalising = new Tokenizer({ ...json, normalizer: { type: "NFC" } });
    expect(normalising.decode(normalising.encode("e\u0301"))).toBe("\u00e9");
    expect(normalising.encode(text)).toEqual(tokenizer.encode(text.normalize("NFC")));
    const folding = new Tokenizer({ ...json, normalizer: { type: "Lowercase" } });
    expect(folding.decode(folding.encode("ReTurn"))).toBe("return");
  });

  it("are refused if they are not byte-level BPE", () => {
    expect(
      () => new Tokenizer({ added_tokens: [], model: { type: "Unigram", vocab: {} }, decoder: { type: "Metaspace" } }),
    ).toThrow(/model\.type: expected "BPE", found "Unigram"/);
  });
});
