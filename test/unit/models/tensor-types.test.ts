// Blocks of every number format are converted as by the Python package `gguf`, bit by bit.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type TensorType, tensorType, tensorTypeNames } from "../../../sidecar/models/tensor-types";

interface Blocks {
  types: { type: string; id: number; data: string; expected: string }[];
  everyNumber: Record<"F16" | "BF16", string>;
}

const blocks = JSON.parse(readFileSync(join(__dirname, "../../fixtures/gguf/blocks.json"), "utf8")) as Blocks;

function typeOf(id: number): TensorType {
  const type = tensorType(id);
  if (type === undefined) throw new Error(`expected the type ${id} to be read, found it unknown`);
  return type;
}

function floatsOf(type: TensorType, data: Uint8Array): Float32Array {
  const count = data.length / type.blockBytes;
  const numbers = new Float32Array(count * type.blockSize);
  type.dequantize(new DataView(data.buffer, data.byteOffset, data.byteLength), count, numbers);
  return numbers;
}

/** Of numbers, what is not one of them written in one way. */
function bytesOf(numbers: Float32Array): Buffer {
  const bits = new Uint32Array(numbers.length);
  bits.set(new Uint32Array(numbers.buffer, numbers.byteOffset, numbers.length));
  numbers.forEach((x, i) => {
    if (Number.isNaN(x)) bits[i] = 0x7fc00000;
  });
  return Buffer.from(bits.buffer);
}

describe("a tensor type", () => {
  it.each(blocks.types)("$type gives the float32 numbers of the package gguf, bit by bit", ({ type, id, ...given }) => {
    const found = typeOf(id);
    expect(found.name).toBe(type);
    const data = Uint8Array.from(Buffer.from(given.data, "base64"));
    expect(data.length % found.blockBytes).toBe(0);
    expect(bytesOf(floatsOf(found, data)).toString("base64")).toBe(given.expected);
  });

  it.each([
    ["F16", 1],
    ["BF16", 30],
  ] as const)("%s gives the right float32 for each of its 65,536 values", (name, id) => {
    const data = new Uint8Array(Uint16Array.from({ length: 0x10000 }, (_, bits) => bits).buffer);
    const hash = createHash("sha256")
      .update(bytesOf(floatsOf(typeOf(id), data)))
      .digest("hex");
    expect(hash).toBe(blocks.everyNumber[name]);
  });

  it("is undefined for an unknown number", () => {
    for (const id of [3, 7, 15, 39, -1, 1e9]) expect(tensorType(id)).toBeUndefined();
    expect(new Set(tensorTypeNames)).toEqual(new Set(blocks.types.map(({ type }) => type)));
  });
});
