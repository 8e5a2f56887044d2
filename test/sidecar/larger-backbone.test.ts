// A package with another backbone by the setting selfracg.modelPath: a tiny Llama trained on a few lines.
import { join, resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { cleanUp, copyOfFixture, type Sidecar, start, uriOf } from "./client";

/** Made by `PYTHONPATH=. python tests/tiny.py ../../test/fixtures/tiny-llama-package` in models/training. */
const tinyLlama = resolve(import.meta.dirname, "../fixtures/tiny-llama-package");

let folder: string;
let sidecar: Sidecar;

beforeAll(async () => {
  folder = await copyOfFixture();
  // No path at start, so that the setting is used.
  const initializationOptions: object = { modelPath: undefined };
  sidecar = await start({
    folders: [folder],
    settings: { modelPath: tinyLlama, maxFragments: 0 },
    initializationOptions,
  });
  await sidecar.reaches("ready");
});
afterAll(cleanUp);

it("a larger model is named in the status", () => {
  expect(sidecar.status?.model?.name).toBe("tiny-llama");
});

it("a larger model completes text it was trained on", async () => {
  const { list, trace } = await sidecar.complete(
    uriOf(join(folder, "add.py")),
    "def add(first, second):\n    return |\n",
  );
  expect(trace.suggestion).toBe("first + second");
  expect(list.items).toHaveLength(1);
});

it("a larger model without a calibration suppresses nothing as unsure, and says so once", async () => {
  await sidecar.configure({ frequency: "fewer" });
  const { trace } = await sidecar.complete(uriOf(join(folder, "again.py")), "def add(first, second):\n    return |\n");
  expect(trace.suggestion).toBe("first + second");
  expect(trace.confidence).toEqual({ meanLogProbability: expect.any(Number) });
  expect(
    sidecar.logs.filter(({ message }) =>
      message.includes("has no confidence in its model.json, so no suggestion is suppressed"),
    ),
  ).toHaveLength(1);
});

it("a larger model indexes and searches the workspace with its own expressions", async () => {
  expect(sidecar.status?.index?.fragments).toBeGreaterThan(0);
  await sidecar.configure({ maxFragments: 4 });
  expect((await sidecar.searchable()).size).toBeGreaterThan(0);
});
