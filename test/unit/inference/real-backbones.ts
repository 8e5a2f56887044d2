// Two backbones of the real model, a long text, and comparisons of what they read.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect } from "vitest";
import { createBackbone } from "../../../sidecar/inference/onnx-backbone";
import { loadModelPackage } from "../../../sidecar/inference/package/model-package";
import { PromptFormat } from "../../../sidecar/inference/prompt-format";
import { Tokenizer } from "../../../sidecar/inference/tokenizer";
import { modelPath } from "../../model";

export const model = await loadModelPackage(modelPath);
const tokenizer = await Tokenizer.load(model);
export const format = new PromptFormat(model, tokenizer);
/** Tokens of a long text. */
export const tokens = tokenizer.encode(await readFile(join(import.meta.dirname, "onnx-backbone.test.ts"), "utf8"));
/** Reads in one chunk and caches one text. */
export const backbone = await createBackbone(model, {
  provider: "cpu",
  threads: 1,
  chunkTokens: model.contextLength,
  cacheMegabytes: 0,
});
/** Reads in chunks of 32, so that most tests need several, and caches many texts. */
export const chunked = await createBackbone(model, { provider: "cpu", threads: 1, chunkTokens: 32 });

beforeAll(() => {
  expect(tokens.length).toBeGreaterThan(model.contextLength);
});
afterAll(async () => {
  await Promise.all([backbone.dispose(), chunked.dispose()]);
});

/** The largest difference relative to the largest value. */
export function distance(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  const scale = a.reduce((max, value) => Math.max(max, Math.abs(value)), 1e-9);
  return a.reduce((max, value, i) => Math.max(max, Math.abs(value - b[i]!)), 0) / scale;
}

/** Logits after `tokens`, read in one chunk without a cached prefix. */
export async function readWhole(tokens: readonly number[]): Promise<Float32Array> {
  await backbone.prefill([tokens[0] === 7 ? 8 : 7]);
  const { logits, reused } = await backbone.prefill(tokens);
  expect(reused).toBe(0);
  return logits;
}

/**
 * Bounds of the relative difference between two ways of reading a text. Integer sums are equal; the order of sums in the
 * attention depends on the shape of a run, with differences of 3e-7. Usually they stay small, but when an activation
 * is rounded to another code, logits differ by some hundredths.
 */
export const closely = 1e-3;
export const bound = 0.06;
/** The same for a model that computes in float16. */
export const halfBound = 0.2;

export const argmax = (logits: Float32Array): number => logits.indexOf(logits.reduce((a, b) => Math.max(a, b)));

const bits = (values: Float32Array): Buffer => Buffer.from(values.buffer, values.byteOffset, values.byteLength);
export const sameBits = (a: Float32Array, b: Float32Array): boolean => bits(a).equals(bits(b));

export const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
export const aborted = { name: "AbortError" };
