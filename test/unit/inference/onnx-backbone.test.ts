// The decoder: isolation of the expression, the cache against a whole read, batching, cancelling, refusing.
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Backbone } from "../../../sidecar/inference/backbone";
import { loadModelPackage, type ModelPackage } from "../../../sidecar/inference/model-package";
import { createBackbone, defaultThreads } from "../../../sidecar/inference/onnx-backbone";
import { PromptFormat } from "../../../sidecar/inference/prompt-format";
import { Tokenizer } from "../../../sidecar/inference/tokenizer";
import { modelPath } from "../../model";

let model: ModelPackage;
let backbone: Backbone;
/** Reads in pieces of 32, so that most tests cross a border. */
let chunked: Backbone;
let tokens: number[];
let format: PromptFormat;

beforeAll(async () => {
  model = await loadModelPackage(modelPath);
  backbone = await createBackbone(model, { provider: "cpu", threads: 1, chunkTokens: model.contextLength });
  chunked = await createBackbone(model, { provider: "cpu", threads: 1, chunkTokens: 32 });
  const tokenizer = await Tokenizer.load(model);
  format = new PromptFormat(model, tokenizer);
  tokens = tokenizer.encode(await readFile(resolve(import.meta.dirname, "../../../sidecar/protocol.ts"), "utf8"));
  expect(tokens.length).toBeGreaterThan(model.contextLength);
});
afterAll(async () => {
  await Promise.all([backbone.dispose(), chunked.dispose()]);
});

/** Largest difference relative to the largest value. */
function distance(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  const scale = a.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0) / scale;
}

/** Logits after `tokens`, read by a backbone that has just read something that begins differently. */
async function readAnew(reader: Backbone, tokens: readonly number[]): Promise<Float32Array> {
  await reader.prefill(Array.from({ length: 40 }, () => 7));
  return (await reader.prefill(tokens)).logits;
}

const bits = (values: Float32Array): Buffer => Buffer.from(values.buffer, values.byteOffset, values.byteLength);
const sameBits = (a: Float32Array, b: Float32Array): boolean => bits(a).equals(bits(b));

const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
const aborted = { name: "AbortError" };

describe("isolation", () => {
  it("gives bit-identical logits and caches with and without an expression", async () => {
    const { InferenceSession, Tensor } = await import("onnxruntime-node");
    const session = await InferenceSession.create(model.graphPath, { intraOpNumThreads: 1 });
    const { layers, keyValueHeads, headDim } = model.architecture;
    const feeds: Record<string, InstanceType<typeof Tensor>> = {};
    for (let layer = 0; layer < layers; layer++) {
      for (const part of ["key", "value"])
        feeds[`past.${layer}.${part}`] = new Tensor("float32", new Float32Array(0), [1, keyValueHeads, 0, headDim]);
      feeds[`past.${layer}.need`] = new Tensor("float32", new Float32Array(0), [1, 0, 2 * model.retrieval.rank]);
    }
    const length = 100;
    feeds["input_ids"] = new Tensor("int64", BigInt64Array.from(tokens.slice(0, length), BigInt), [1, length]);
    feeds["lengths"] = new Tensor("int64", [BigInt(length)], [1]);
    feeds["logit_positions"] = new Tensor(
      "int64",
      BigInt64Array.from({ length }, (_, i) => BigInt(i)),
      [1, length],
    );
    const run = async (adapter: bigint) => session.run({ ...feeds, adapter: new Tensor("int64", [adapter], [1]) });
    const [bare, query, fragment] = [await run(-1n), await run(0n), await run(1n)];
    const data = (results: Awaited<ReturnType<typeof run>>, name: string): Float32Array => results[name]!.data as Float32Array;
    expect(data(bare, "logits").some((value) => value !== 0)).toBe(true);
    for (const name of session.outputNames.filter((output) => output !== "expression" && !output.endsWith(".need"))) {
      expect(sameBits(data(query, name), data(bare, name)), name).toBe(true);
      expect(sameBits(data(fragment, name), data(bare, name)), name).toBe(true);
    }
    // Two adapters are two even before training, which leaves their down-projections as they were drawn.
    const ofOneAdapter = sameBits(data(query, "present.0.need"), data(fragment, "present.0.need"));
    expect(ofOneAdapter).toBe(model.retrieval.adapters === "shared");
    // The comparison above compares something: both adapters do express, and only they do.
    expect(data(bare, "expression").every((value) => value === 0)).toBe(true);
    expect(dot(data(query, "expression"), data(query, "expression"))).toBeCloseTo(1, 4);
    await session.release();
  });

  it("is not disturbed by expressing and embedding in between", async () => {
    const prompt = tokens.slice(0, 60);
    const before = await backbone.prefill(prompt);
    await backbone.express(tokens.slice(5, 90));
    await backbone.embed([tokens.slice(0, 20), tokens.slice(9, 30)]);
    expect(sameBits((await backbone.prefill(prompt)).logits, before.logits)).toBe(true);
  });
});

describe("prefill and decode", () => {
  it("reads in chunks what it reads whole", async () => {
    for (const length of [1, 31, 32, 33, 200]) {
      const prompt = tokens.slice(0, length);
      const whole = await backbone.prefill(prompt);
      const inChunks = await chunked.prefill(prompt);
      expect(whole.logits.length).toBe(model.architecture.vocabularySize);
      expect([whole.cache.length, inChunks.cache.length]).toEqual([length, length]);
      expect(distance(whole.logits, inChunks.logits), `${length} tokens`).toBeLessThan(1e-3);
    }
  });

  it("reads on from a text read before, with the same result to the bit", async () => {
    const fresh = await createBackbone(model, { provider: "cpu", threads: 1, chunkTokens: 32 });
    const long = tokens.slice(0, 200);
    const first = await chunked.prefill(long);
    const variants = [
      long,
      tokens.slice(0, 300),
      [...tokens.slice(0, 150), ...tokens.slice(400, 480)],
      tokens.slice(0, 161),
      tokens.slice(0, 160),
      tokens.slice(0, 20),
      tokens.slice(1, 200),
    ];
    for (const [i, variant] of variants.entries()) {
      const again = await chunked.prefill(variant);
      expect(again.cache.length).toBe(variant.length);
      expect(sameBits(again.logits, await readAnew(fresh, variant)), `variant ${i}`).toBe(true);
      const next = await chunked.decode(again.cache, [300]);
      expect(distance(next.logits[0]!, (await backbone.prefill([...variant, 300])).logits), `after variant ${i}`).toBeLessThan(1e-3);
    }
    // What the first caller holds was not touched.
    const decoded = await chunked.decode(first.cache, [300]);
    expect(distance(decoded.logits[0]!, (await backbone.prefill([...long, 300])).logits)).toBeLessThan(1e-3);
    await fresh.dispose();
  });

  it("expresses the same to the bit after a query with the same beginning", async () => {
    const fresh = await createBackbone(model, { provider: "cpu", threads: 1, chunkTokens: 32 });
    await chunked.express(tokens.slice(0, 170));
    const query = [...tokens.slice(0, 100), ...tokens.slice(500, 560)];
    expect(sameBits(await chunked.express(query), await fresh.express(query))).toBe(true);
    await fresh.dispose();
  });

  it("reads less when the beginning was read before", async () => {
    const long = tokens.slice(100, 1000);
    const turnsOf = async (work: () => Promise<unknown>): Promise<number> => {
      let turns = 0;
      let counting = true;
      const turn = (): void => {
        turns++;
        if (counting) setImmediate(turn);
      };
      setImmediate(turn);
      await work();
      counting = false;
      return turns;
    };
    const first = await turnsOf(() => chunked.prefill(long));
    const again = await turnsOf(() => chunked.prefill([...long.slice(0, -5), 300]));
    expect(again).toBeLessThan(first / 4);
  });

  it("decodes from the cache what a read of the longer text gives", async () => {
    let { cache } = await backbone.prefill(tokens.slice(0, 50));
    for (let end = 51; end <= 60; end++) {
      const decoded = await backbone.decode(cache, [tokens[end - 1]!]);
      ({ cache } = decoded);
      expect(cache.length).toBe(end);
      const whole = await backbone.prefill(tokens.slice(0, end));
      expect(distance(whole.logits, decoded.logits[0]!), `after ${end} tokens`).toBeLessThan(1e-3);
    }
  });

  it("depends on the whole prompt", async () => {
    const prompt = tokens.slice(0, 80);
    const { logits } = await chunked.prefill(prompt);
    const changed = await chunked.prefill([prompt[0] === 300 ? 301 : 300, ...prompt.slice(1)]);
    expect(distance(logits, changed.logits)).toBeGreaterThan(1e-3);
  });

  it("fills the context to the last token and refuses one more", async () => {
    const { cache } = await backbone.prefill(tokens.slice(0, model.contextLength - 1));
    const full = await backbone.decode(cache, [100]);
    expect(full.logits[0]!.every(Number.isFinite)).toBe(true);
    await expect(backbone.decode(full.cache, [100])).rejects.toThrow(/room in the context of \d+ tokens/);
  });

  it("refuses a cache that was decoded from, and keeps one whose decoding was refused", async () => {
    const { cache } = await backbone.prefill(tokens.slice(0, 10));
    await expect(backbone.decode(cache, [5], AbortSignal.abort())).rejects.toMatchObject(aborted);
    await backbone.decode(cache, [5]);
    await expect(backbone.decode(cache, [5])).rejects.toThrow(/found a used one/);
    await expect(backbone.decode({ length: 3 }, [5])).rejects.toThrow(/a cache of this backbone/);
  });

  it("refuses tokens it cannot read", async () => {
    await expect(backbone.prefill([])).rejects.toThrow(/expected 1 to \d+ tokens, found 0/);
    await expect(backbone.prefill(Array.from({ length: model.contextLength + 1 }, () => 9))).rejects.toThrow(
      `found ${model.contextLength + 1}`,
    );
    for (const id of [-1, 1.5, model.architecture.vocabularySize]) await expect(backbone.prefill([id])).rejects.toThrow(`found ${id}`);
  });
});

describe("express and embed", () => {
  it("expresses a unit vector, the same in chunks as whole", async () => {
    for (const length of [20, 70]) {
      const query = tokens.slice(0, length);
      const whole = await backbone.express(query);
      const inChunks = await chunked.express(query);
      expect(whole.length).toBe(model.retrieval.dimension);
      expect(dot(whole, whole)).toBeCloseTo(1, 4);
      expect(dot(whole, inChunks), `${length} tokens`).toBeGreaterThan(0.9999);
    }
    expect(dot(await backbone.express(tokens.slice(0, 70)), await backbone.express(tokens.slice(200, 270)))).toBeLessThan(0.9999);
  });

  it("embeds in batches what it embeds one by one, in the order given", async () => {
    const fragments = Array.from({ length: 23 }, (_, i) => tokens.slice(i * 30, i * 30 + 1 + ((i * 53) % 127)));
    const together = await backbone.embed(fragments);
    expect(together.length).toBe(fragments.length);
    for (const [i, fragment] of fragments.entries()) {
      const [alone] = await backbone.embed([fragment]);
      expect(dot(together[i]!, together[i]!)).toBeCloseTo(1, 4);
      expect(dot(alone!, together[i]!), `fragment ${i} of ${fragment.length} tokens`).toBeGreaterThan(0.9999);
    }
    await expect(backbone.embed([])).resolves.toEqual([]);
    await expect(backbone.embed([[5], []])).rejects.toThrow(/found 0/);
  });

  it("asks the graph for the query adapter, the fragment adapter, or none", async () => {
    const { InferenceSession } = await import("onnxruntime-node");
    const session = await InferenceSession.create(model.graphPath, { intraOpNumThreads: 1 });
    const run = vi.spyOn(Object.getPrototypeOf(session) as typeof session, "run");
    const asked = async (work: () => Promise<unknown>): Promise<number[]> => {
      run.mockClear();
      await work();
      return run.mock.calls.map(([feeds]) => Number(feeds["adapter"]!.data[0]));
    };
    try {
      expect(await asked(() => backbone.prefill(tokens.slice(0, 9)))).toEqual([-1]);
      expect(await asked(() => backbone.express(tokens.slice(0, 9)))).toEqual([0]);
      expect(await asked(() => backbone.embed([tokens.slice(0, 9)]))).toEqual([model.retrieval.adapters === "shared" ? 0 : 1]);
    } finally {
      run.mockRestore();
      await session.release();
    }
  });

  it("embeds what the prompt format renders", async () => {
    const rendered = format.fragmentEmbedding("src/a.ts", "export const a = 1;");
    const [vector] = await backbone.embed([rendered]);
    expect(vector!.every(Number.isFinite)).toBe(true);
  });
});

describe("cancelling and ending", () => {
  it("stops a prefill between two chunks", async () => {
    const long = tokens.slice(0, 900);
    let turns = 0;
    let counting = true;
    const turn = (): void => {
      turns++;
      if (turns === abortAt) controller.abort();
      if (counting) setImmediate(turn);
    };
    const controller = new AbortController();
    let abortAt = Number.POSITIVE_INFINITY;
    turn();
    // 29 chunks, and the event loop goes round between any two.
    await chunked.prefill(long);
    expect(turns).toBeGreaterThan(29);
    const whole = turns;
    turns = 0;
    abortAt = 10;
    await expect(chunked.prefill(tokens.slice(30, 930), { signal: controller.signal })).rejects.toMatchObject(aborted);
    expect(turns).toBeLessThan(whole / 2);
    counting = false;
    // What was read before the abort is not read again, and is not wrong.
    expect(sameBits((await chunked.prefill(tokens.slice(30, 930))).logits, await readAnew(chunked, tokens.slice(30, 930)))).toBe(true);
  });

  it("does nothing for a signal that is aborted already", async () => {
    const signal = AbortSignal.abort();
    for (const call of [backbone.prefill([5], { signal }), backbone.express([5], signal), backbone.embed([[5]], signal)])
      await expect(call).rejects.toMatchObject(aborted);
  });

  it("lets a completion pass an index run of many batches", async () => {
    const fragments = Array.from({ length: 60 }, (_, i) => tokens.slice(i, i + 120));
    let embedded = false;
    const index = backbone.embed(fragments).then(() => (embedded = true));
    await new Promise((done) => setTimeout(done, 5));
    await backbone.prefill(tokens.slice(0, 20));
    expect(embedded).toBe(false);
    await index;
  });

  it("stops an index run between two batches", async () => {
    const controller = new AbortController();
    const fragments = Array.from({ length: 200 }, (_, i) => tokens.slice(i, i + 120));
    const index = backbone.embed(fragments, controller.signal);
    setTimeout(() => controller.abort(), 20);
    await expect(index).rejects.toMatchObject(aborted);
  });

  it("rejects clearly once disposed of, also twice and with work waiting", async () => {
    const own = await createBackbone(model, { provider: "cpu", threads: 1 });
    const waiting = expect(own.embed(Array.from({ length: 50 }, () => tokens.slice(0, 100)))).rejects.toThrow(/disposed of/);
    await Promise.all([own.dispose(), own.dispose()]);
    await waiting;
    await expect(own.prefill([5])).rejects.toThrow(/disposed of: make a new one/);
  });
});

describe("provider", () => {
  it("says which one runs and why, and warns where CUDA was asked for in vain", async () => {
    const lines: string[] = [];
    const warnings: string[] = [];
    const own = await createBackbone(model, {
      provider: "cuda",
      threads: 1,
      log: (line) => lines.push(line),
      warn: (line) => warnings.push(line),
    });
    expect(own.provider.reason).toMatch(/^cuda: /);
    expect(lines).toEqual([`${model.name} ${model.version} on ${own.provider.name}, threads: 1 (${own.provider.reason})`]);
    expect(warnings.length).toBe(own.provider.name === "cpu" ? 1 : 0);
    expect((await own.prefill([5])).logits.length).toBe(model.architecture.vocabularySize);
    await own.dispose();
  });
});

describe("threads", () => {
  it("counts two hardware threads as a core, four cores at the most", () => {
    expect([1, 2, 4, 6, 8, 16, 64].map(defaultThreads)).toEqual([1, 2, 2, 3, 4, 4, 4]);
  });
});
