// Model packages with external weights, and graphs that ONNX Runtime refuses.
import { cp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { createBackbone } from "../../../../sidecar/inference/onnx-backbone";
import { loadModelPackage } from "../../../../sidecar/inference/package/model-package";
import { ModelPackageError } from "../../../../sidecar/inference/package/model-package-error";
import { modelPath } from "../../../model";
import { moveWeights } from "../external-weights";
import { edit, folder, manifest, refusal, replace } from "./copied-package";

describe("a package with external weights", () => {
  const weights = "weights.bin";

  beforeEach(async () => {
    const { graph, data } = moveWeights(await readFile(join(folder, "model.onnx")), weights);
    await replace("model.onnx", graph);
    await replace(weights, data);
  });

  const alter = async (): Promise<Buffer> => {
    const data = await readFile(join(folder, weights));
    data[data.length >> 1]! ^= 1;
    return data;
  };
  const express = async (): Promise<{ hash: string; expression: number[] }> => {
    const model = await loadModelPackage(folder);
    const backbone = await createBackbone(model, { provider: "cpu", threads: 1 });
    try {
      const { need } = await backbone.prefill([1, 2, 3], { express: true });
      return { hash: model.hash, expression: [...need!] };
    } finally {
      await backbone.dispose();
    }
  };

  it("gives the same expressions as the package with internal weights, under another hash", async () => {
    const outside = await express();
    await cp(modelPath, folder, { recursive: true });
    const inside = await express();
    expect(outside.expression).toEqual(inside.expression);
    expect(outside.hash).not.toBe(inside.hash);
  });

  it("is refused when a byte of the weights changed", async () => {
    await writeFile(join(folder, weights), await alter());
    expect(await refusal()).toMatch(/weights\.bin: expected SHA-256 [0-9a-f]{64}, found [0-9a-f]{64}/);
  });

  it("is refused when the weights are missing or truncated", async () => {
    await truncate(join(folder, weights), 1000);
    expect(await refusal()).toMatch(/weights\.bin: expected \d+ bytes, found 1000/);
    await rm(join(folder, weights));
    expect(await refusal()).toMatch(/weights\.bin: expected a file of \d+ bytes, found none/);
  });

  it("is refused when model.json does not list the weights", async () => {
    await edit((m) => delete m.files[weights]);
    expect(await refusal()).toMatch(
      /model\.onnx: expected weights in .*model\.json \(.*\), found "weights\.bin"\. List it/,
    );
  });

  it.each([
    "../weights.bin",
    "/tmp/weights.bin",
    "sub/weights.bin",
    "./weights.bin",
    "*/_ORT_MEM_ADDR_/*",
    "constructor",
  ])("is refused when the graph reads weights from %s", async (location) => {
    await replace("model.onnx", moveWeights(await readFile(join(modelPath, "model.onnx")), location).graph);
    expect(await refusal()).toContain(`found ${JSON.stringify(location)}`);
  });

  it("has another hash when its weights differ", async () => {
    const { hash } = await loadModelPackage(folder);
    await replace(weights, await alter());
    expect((await loadModelPackage(folder)).hash).not.toBe(hash);
  });
});

describe("createBackbone", () => {
  const open = async (): Promise<string> => {
    const model = await loadModelPackage(folder);
    const error = await createBackbone(model, { provider: "cpu", threads: 1 }).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(ModelPackageError);
    return (error as ModelPackageError).message;
  };

  it("refuses a graph that ONNX Runtime cannot load", async () => {
    await replace("model.onnx", "");
    expect(await open()).toMatch(/model\.onnx: expected a graph that ONNX Runtime loads on cpu, found: /);
  });

  it("refuses a graph whose number of layers differs from model.json", async () => {
    const { layers } = (await manifest()).architecture;
    await edit((m) => (m.architecture.layers = layers + 1));
    expect(await open()).toContain(`expected an input past.${layers}.key, found none`);
    await edit((m) => (m.architecture.layers = layers - 1));
    expect(await open()).toContain(`found the input past.${layers - 1}.key`);
  });

  it("refuses a graph whose sizes differ from model.json", async () => {
    await edit((m) => {
      m.retrieval.rank *= 2;
    });
    expect(await open()).toMatch(/expected the input past\.need to be float32\[\d+, any, any, \d+\], found float32\[/);
    await edit((m) => {
      m.retrieval.rank /= 2;
      m.architecture.vocabularySize += 1;
    });
    expect(await open()).toMatch(/expected the output logits to be float32\[any, any, \d+\], found float32\[/);
  });
});
