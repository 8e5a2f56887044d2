// The arithmetic of the inference benchmark: goals, bytes per token, tokens per run, and the speed of two runtimes.
import { describe, expect, it } from "vitest";
import { loadModelPackage } from "../../../sidecar/inference/package/model-package";
import { digits, type Figure, goalTable, met } from "../../bench/goals";
import { bytesPerToken, createBandwidth } from "../../bench/inference/bandwidth";
import { tokensPerStep } from "../../bench/inference/drafting";
import type { LlamaRates } from "../../bench/inference/llama";
import { measurePace, type Runtime } from "../../bench/inference/pace";
import type { Rates } from "../../bench/inference/rates";
import { speedUps } from "../../bench/inference/rounds";
import { randomRows } from "../../bench/random";
import { modelPath } from "../../model";

describe("a goal", () => {
  const figure = (value: number | undefined, goal: Figure["goal"]): Figure => ({
    name: "some figure",
    value,
    unit: "ms",
    goal,
    note: "",
  });

  it("is met at its bound and on the right side of it", () => {
    expect([60, 60.1, undefined].map((value) => met(figure(value, { atMost: 60 })))).toEqual([true, false, undefined]);
    expect([3, 2.9].map((value) => met(figure(value, { atLeast: 3 })))).toEqual([true, false]);
    expect(met(figure(1, undefined))).toBeUndefined();
  });

  it("is printed beside the measured value", () => {
    const lines = goalTable([
      figure(61.26, { atMost: 60 }),
      figure(undefined, { atLeast: 3 }),
      figure(0.5, { atMost: 1 }),
    ]).split("\n");
    expect(lines[1]).toMatch(/^some figure +61\.3 ms +at most 60 +NOT met$/);
    expect(lines[2]).toMatch(/^some figure +- +at least 3$/);
    expect(lines[3]).toMatch(/ +0\.50 ms +at most 1 +met$/);
  });

  it("is printed with three significant digits", () =>
    expect([123.4, 12.34, 1.234, 0].map(digits)).toEqual(["123", "12.3", "1.23", "0.00"]));
});

describe("the bandwidth bound of decoding", () => {
  it("counts every matrix once, and the keys and values of past tokens", async () => {
    const model = await loadModelPackage(modelPath, { verifyHashes: false });
    const { parameters, layers, keyValueHeads, headDim } = model.architecture;
    const int8 = { ...model, weights: { stored: "int8", computed: "int8" } } as const;
    const matrices = bytesPerToken(int8, 0);
    // The adapters, which decoding does not read, and the parameters outside matrices are a few percent.
    expect(matrices).toBeLessThan(parameters);
    expect(matrices).toBeGreaterThan(0.95 * parameters);
    expect(bytesPerToken({ ...model, weights: { stored: "float16", computed: "float32" } }, 0)).toBe(4 * matrices);
    expect(bytesPerToken(int8, 100) - matrices).toBe(layers * 2 * keyValueHeads * headDim * 100 * 4);
  });

  it("is measured with a buffer of the model's size when that fits in the cache", async () => {
    const bandwidth = await createBandwidth(1 << 20, 1);
    expect(await bandwidth.measure(1)).toBeGreaterThan(0);
    expect(bandwidth.inCache).toBe(bandwidth.cacheBytes !== undefined && bandwidth.cacheBytes >= 1 << 20);
    expect(bandwidth.bytes).toBe(bandwidth.inCache ? 1 << 20 : Math.max(256 << 20, 4 * (bandwidth.cacheBytes ?? 0)));
    await bandwidth.release();
  });
});

it("tokens per run exclude the first one, which the prompt gives", () => {
  expect(tokensPerStep([{ generatedTokens: 11, decodeSteps: 10 }])).toBe(1);
  expect(
    tokensPerStep([
      { generatedTokens: 11, decodeSteps: 3 },
      { generatedTokens: 1, decodeSteps: 0 },
      { generatedTokens: 3, decodeSteps: 1 },
    ]),
  ).toBe(3);
});

it("random token rows are the same in every run, and no two begin alike", () => {
  const [first, second] = [randomRows(8192), randomRows(8192)];
  expect(first(20)).toEqual(second(20));
  const beginnings = new Set(Array.from({ length: 40 }, () => first(8).slice(0, 2).join()));
  expect(beginnings.size).toBe(40);
});

describe("the speed of two runtimes", () => {
  /** Records its requests, and takes no time. */
  function runtime(contextLength: number) {
    const reads: (readonly number[])[] = [];
    const decoded: number[] = [];
    const asked: Runtime = {
      contextLength,
      read: async (tokens) => void reads.push(tokens),
      decode: async (token) => void decoded.push(token),
    };
    return { asked, reads, decoded };
  }

  it("is measured with the same tokens, and never with the same prompt twice", async () => {
    const [ours, theirs] = [runtime(4096), runtime(4096)];
    const pace = await measurePace(ours.asked, 8192, Infinity);
    await measurePace(theirs.asked, 8192, Infinity);
    expect(theirs.reads).toEqual(ours.reads);
    expect(theirs.decoded).toEqual(ours.decoded);
    expect(new Set(ours.reads.map((tokens) => tokens.slice(0, 4).join())).size).toBe(ours.reads.length);
    expect(Object.keys(pace.prefillMs)).toEqual(["128", "512", "1024"]);
    expect(Object.keys(pace.decodeMs)).toEqual(["512", "1024"]);
  });

  it("is measured once per size when the time is up, and within a short context", async () => {
    const { asked, reads } = runtime(600);
    const pace = await measurePace(asked, 8192, 0);
    // Two pasts, then each size once for the warm-up and once measured.
    expect(reads.map(({ length }) => length)).toEqual([512, 584, 128, 128, 512, 512]);
    expect(Object.keys(pace.prefillMs)).toEqual(["128", "512"]);
  });
});

it("the speed relative to llama.cpp is computed for each round", () => {
  const pace = (prefill: number) => ({ prefillMs: { 128: prefill }, decodeMs: {} });
  const rounds = [pace(10), pace(20)] as unknown as Rates[];
  const llama = [pace(40), pace(30)] as unknown as LlamaRates[];
  expect(speedUps({ rounds, llama }, ({ prefillMs }) => prefillMs[128])).toEqual([4, 1.5]);
  expect(speedUps({ rounds, llama: [] }, ({ prefillMs }) => prefillMs[128])).toEqual([Number.NaN, Number.NaN]);
});
