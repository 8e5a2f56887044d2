// Which machines can carry a model, and why others cannot.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, it } from "vitest";
import { readCatalogue } from "../../../sidecar/models/catalogue";
import { obstacleTo, thisMachine } from "../../../sidecar/models/suitable";

const catalogue = readCatalogue(resolve(import.meta.dirname, "../../../models"));
const half = catalogue.get("qwen2.5-coder-0.5b");
const small = catalogue.get("small");
if (half === undefined || small === undefined) throw new Error("Expected these models.");

const machine = { memoryBytes: 16e9, freeBytes: 50e9, processors: 2 };

it.each([
  [{ ...machine, memoryBytes: 4e9 }, "It should have a machine with 6.0 GB of memory; this one has 4.0 GB."],
  [{ ...machine, processors: 1 }, "It should have 2 processors or more; this machine has 1."],
  [{ ...machine, freeBytes: 1e9 }, "It should have 3.0 GB of free disk space; there are 1.0 GB."],
])("a machine %j cannot carry the 0.5B", (poor, sentence) => {
  expect(obstacleTo(half, poor, false)).toBe(sentence);
});

it("a larger machine can, an installed model needs no further disk space, and the small model runs anywhere", () => {
  expect(obstacleTo(half, machine, false)).toBeUndefined();
  expect(obstacleTo(half, { ...machine, freeBytes: 0 }, true)).toBeUndefined();
  expect(obstacleTo(small, { memoryBytes: 0, freeBytes: 0, processors: 1 }, true)).toBeUndefined();
});

it("this machine is measured for a folder that does not exist yet", async () => {
  const folder = await mkdtemp(join(tmpdir(), "selfracg-suitable-"));
  const { memoryBytes, freeBytes, processors } = await thisMachine(join(folder, "a", "b"));
  expect(memoryBytes).toBeGreaterThan(1e8);
  expect(freeBytes).toBeGreaterThan(0);
  expect(processors).toBeGreaterThan(0);
  await rm(folder, { recursive: true });
});
