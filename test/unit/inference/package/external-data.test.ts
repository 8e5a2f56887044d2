// Locations of external data are found in every message, without long loops or deep recursion.
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { describe, expect, it } from "vitest";
import { externalDataLocations } from "../../../../sidecar/inference/package/external-data";
import { entry, moveWeights } from "../external-weights";

const tinyPackage = resolve(import.meta.dirname, "../../../fixtures/tiny-llama-package");

/** Wraps `content` in nested messages along a path of field numbers. */
function nested(path: readonly number[], content: Uint8Array): Uint8Array {
  return path.reduceRight<Uint8Array>(
    (inner, field) => new BinaryWriter().tag(field, WireType.LengthDelimited).bytes(inner).finish(),
    content,
  );
}

describe("externalDataLocations", () => {
  it("finds none in a graph that contains its weights", async () => {
    expect([...externalDataLocations(await readFile(join(tinyPackage, "model.onnx")))]).toEqual([]);
  });

  it("finds the file of the initializers once", async () => {
    const { graph } = moveWeights(await readFile(join(tinyPackage, "model.onnx")), "weights.bin");
    expect([...externalDataLocations(graph)]).toEqual(["weights.bin"]);
  });

  const [graph, tensor, externalData] = [7, 5, 13];
  it.each<[string, number[]]>([
    ["an initializer", [graph, 5]],
    ["the values of a sparse initializer", [graph, 15, 1]],
    ["the indices of a sparse initializer", [graph, 15, 2]],
    ["an attribute of a node", [graph, 1, 5, tensor]],
    ["a list of tensors in an attribute", [graph, 1, 5, 10]],
    ["a sparse tensor in an attribute", [graph, 1, 5, 22, 1]],
    ["the body of an If or a Loop", [graph, 1, 5, 6, 5]],
    ["one of several graphs in an attribute", [graph, 1, 5, 11, 1, 5, 5]],
    ["a node of a function", [25, 7, 5, 5]],
    ["the default of a function's attribute", [25, 11, 5]],
    ["the initialization of training", [20, 1, 5]],
  ])("finds the location in %s", (_, path) => {
    const model = nested([...path, externalData], entry("location", "there.bin"));
    expect([...externalDataLocations(model)]).toEqual(["there.bin"]);
  });

  it("does not mistake lengths and checksums for locations", () => {
    const other = nested([graph, tensor, externalData], entry("checksum", "there.bin"));
    expect([...externalDataLocations(other)]).toEqual([]);
  });

  it("finds the location inside thousands of nested graphs", () => {
    const body = Array.from({ length: 5_000 }, () => [1, 5, 6]).flat();
    const model = nested([graph, ...body, tensor, externalData], entry("location", "deep.bin"));
    expect([...externalDataLocations(model)]).toEqual(["deep.bin"]);
  });

  it.each<[string, Uint8Array]>([
    ["text", Buffer.from("not a graph")],
    ["a field longer than the file", Uint8Array.of(0x3a, 0x7f, 1)],
    ["a number that does not end", new Uint8Array(64).fill(0xff)],
    ["groups without end", new Uint8Array(100_000).fill(0x3b)],
  ])("refuses %s", (_, bytes) => {
    expect(() => externalDataLocations(bytes)).toThrow();
  });
});
