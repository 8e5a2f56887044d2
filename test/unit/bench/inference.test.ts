// The inference benchmark's arithmetic: goals, bytes a token, tokens a run, and what llama-bench prints.
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { loadModelPackage } from "../../../sidecar/inference/package/model-package";
import { bytesPerToken, createBandwidth } from "../../bench/inference/bandwidth";
import { digits, type Figure, goalTable, met } from "../../bench/inference/goals";
import { tokensPerStep } from "../../bench/inference/keystrokes";
import { llamaRates } from "../../bench/inference/llama";
import { randomRows } from "../../bench/inference/tokens";
import { modelPath } from "../../model";

describe("goals", () => {
  const figure = (value: number | undefined, goal: Figure["goal"]): Figure => ({
    name: "some figure",
    value,
    unit: "ms",
    goal,
  });

  it("are met at the very bound, from the right side", () => {
    expect([60, 60.1, undefined].map((value) => met(figure(value, { atMost: 60 })))).toEqual([true, false, undefined]);
    expect([3, 2.9].map((value) => met(figure(value, { atLeast: 3 })))).toEqual([true, false]);
    expect(met(figure(1, undefined))).toBeUndefined();
  });

  it("stand beside what was measured", () => {
    const lines = goalTable([
      figure(61.26, { atMost: 60 }),
      figure(undefined, { atLeast: 3 }),
      figure(0.5, { atMost: 1 }),
    ]).split("\n");
    expect(lines[1]).toMatch(/^some figure +61\.3 ms +at most 60 +NOT met$/);
    expect(lines[2]).toMatch(/^some figure +- +at least 3$/);
    expect(lines[3]).toMatch(/ +0\.50 ms +at most 1 +met$/);
  });

  it("show three digits", () => expect([123.4, 12.34, 1.234, 0].map(digits)).toEqual(["123", "12.3", "1.23", "0.00"]));
});

describe("the bound of decoding", () => {
  it("counts every matrix once, and keys and values of the past", async () => {
    const model = await loadModelPackage(modelPath, { verifyHashes: false });
    const { parameters, layers, keyValueHeads, headDim } = model.architecture;
    const int8 = { ...model, weights: { stored: "int8", computed: "int8" } } as const;
    const matrices = bytesPerToken(int8, 0);
    // What decoding does not read, the adapters, and what is no matrix are a few hundredths.
    expect(matrices).toBeLessThan(parameters);
    expect(matrices).toBeGreaterThan(0.95 * parameters);
    expect(bytesPerToken({ ...model, weights: { stored: "float16", computed: "float32" } }, 0)).toBe(4 * matrices);
    expect(bytesPerToken(int8, 100) - matrices).toBe(layers * 2 * keyValueHeads * headDim * 100 * 4);
  });

  it("is read in a buffer of the model's size where that fits in the cache", async () => {
    const bandwidth = await createBandwidth(1 << 20, 1);
    expect(await bandwidth.measure(1)).toBeGreaterThan(0);
    expect(bandwidth.inCache).toBe(bandwidth.cacheBytes !== undefined && bandwidth.cacheBytes >= 1 << 20);
    expect(bandwidth.bytes).toBe(bandwidth.inCache ? 1 << 20 : Math.max(256 << 20, 4 * (bandwidth.cacheBytes ?? 0)));
    await bandwidth.release();
  });
});

it("tokens a run leave out the one that comes with the prompt", () => {
  expect(tokensPerStep([{ generatedTokens: 11, decodeSteps: 10 }])).toBe(1);
  expect(
    tokensPerStep([
      { generatedTokens: 11, decodeSteps: 3 },
      { generatedTokens: 1, decodeSteps: 0 },
      { generatedTokens: 3, decodeSteps: 1 },
    ]),
  ).toBe(3);
});

it("random rows are the same at every run, and none begins as another", () => {
  const [first, second] = [randomRows(8192), randomRows(8192)];
  expect(first(20)).toEqual(second(20));
  const beginnings = new Set(Array.from({ length: 40 }, () => first(8).slice(0, 2).join()));
  expect(beginnings.size).toBe(40);
});

describe("llama-bench", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "selfracg-test-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** A program that prints what `code` says. */
  async function program(code: string): Promise<string> {
    const path = join(folder, "llama-bench");
    await writeFile(path, `#!${process.execPath}\nconst args = process.argv.slice(2);\n${code}\n`);
    await chmod(path, 0o755);
    return path;
  }
  const options = { gguf: "model.gguf", threads: 2, confined: undefined, prompts: [128, 512], pasts: [512] };

  it("is asked for prompts and for tokens behind a past, and its median counts", async () => {
    const binary = await program(`
      const after = (name) => args[args.indexOf(name) + 1];
      const row = (n_prompt, n_gen, n_depth, samples_ts) => ({ model_type: "qwen2 Q8_0", n_prompt, n_gen, n_depth, avg_ts: 1, samples_ts });
      const prompts = after("-p").split(",").map(Number);
      const rows = after("-n") === "0" ? prompts.map((n) => row(n, 0, 0, [30, n, 10])) : after("-d").split(",").map((d) => row(0, Number(after("-n")), Number(d), [70, 90, 80]));
      if (after("-m") !== "model.gguf" || after("-t") !== "2") process.exit(1);
      console.log(JSON.stringify(rows));`);
    expect(await llamaRates({ binary, ...options })).toEqual({
      type: "qwen2 Q8_0",
      prefill: { 128: 30, 512: 30 },
      decode: { 512: 80 },
    });
  });

  it("that fails or prints something else is named", async () => {
    const failing = await program("console.error('no such model'); process.exit(1);");
    await expect(llamaRates({ binary: failing, ...options })).rejects.toThrow(
      /Expected llama-bench to run as .*no such model.* Check --llama-bench and --gguf/s,
    );
    const talking = await program("console.log('hello');");
    await expect(llamaRates({ binary: talking, ...options })).rejects.toThrow(/Expected JSON of .*found "hello/);
  });
});
