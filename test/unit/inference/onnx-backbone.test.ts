// The backbone on ONNX Runtime: logits, prefill and decoding with the KV cache, and a model that computes in float16.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Backbone } from "../../../sidecar/inference/backbone";
import { createBackbone } from "../../../sidecar/inference/onnx-backbone";
import { loadOnnxRuntime } from "../../../sidecar/inference/onnx-runtime";
import { loadModelPackage, type ModelPackage } from "../../../sidecar/inference/package/model-package";
import { PromptFormat } from "../../../sidecar/inference/prompt-format";
import { Tokenizer } from "../../../sidecar/inference/tokenizer";
import { halfModelPath } from "../../model";
import {
  aborted,
  argmax,
  backbone,
  bound,
  chunked,
  closely,
  distance,
  dot,
  halfBound,
  model,
  readWhole,
  sameBits,
  tokens,
} from "./real-backbones";

describe("the logits of a completion", () => {
  it("are bit-identical with and without an expression in the same run, and so is the cache", async () => {
    const { InferenceSession, Tensor } = await loadOnnxRuntime();
    const session = await InferenceSession.create(model.graphPath, { intraOpNumThreads: 1 });
    const { layers, keyValueHeads, headDim } = model.architecture;
    const feeds: Record<string, InstanceType<typeof Tensor>> = {};
    for (let layer = 0; layer < layers; layer++) {
      for (const part of ["key", "value"])
        feeds[`past.${layer}.${part}`] = new Tensor("float32", new Float32Array(0), [1, keyValueHeads, 0, headDim]);
    }
    feeds["past.need"] = new Tensor("float32", new Float32Array(0), [layers, 1, 0, 2 * model.retrieval.rank]);
    feeds.past_length = new Tensor("int64", [0n], [1]);
    const length = 100;
    feeds.input_ids = new Tensor("int64", BigInt64Array.from(tokens.slice(0, length), BigInt), [1, length]);
    feeds.lengths = new Tensor("int64", [BigInt(length)], [1]);
    feeds.logit_positions = new Tensor(
      "int64",
      BigInt64Array.from({ length }, (_, i) => BigInt(i)),
      [1, length],
    );
    const run = async (adapter: bigint) => session.run({ ...feeds, adapter: new Tensor("int64", [adapter], [1]) });
    const [bare, query, fragment] = [await run(-1n), await run(0n), await run(1n)];
    const data = (results: Awaited<ReturnType<typeof run>>, name: string): Float32Array =>
      results[name]!.data as Float32Array;
    expect(data(bare, "logits").some((value) => value !== 0)).toBe(true);
    for (const name of session.outputNames.filter(
      (output) => !["expression", "attention", "new.need"].includes(output),
    )) {
      expect(sameBits(data(query, name), data(bare, name)), name).toBe(true);
      expect(sameBits(data(fragment, name), data(bare, name)), name).toBe(true);
    }
    // The two adapters differ even without training, because their down-projections are random.
    const ofOneAdapter = sameBits(data(query, "new.need"), data(fragment, "new.need"));
    expect(ofOneAdapter).toBe(model.retrieval.adapters === "shared");
    // Both adapters compute expressions, so that the comparison above is not trivial.
    expect(data(bare, "expression").every((value) => value === 0)).toBe(true);
    expect(dot(data(query, "expression"), data(query, "expression"))).toBeCloseTo(1, 4);
    await session.release();
  });

  it("are the same when needs and fragments are embedded in between", async () => {
    const prompt = tokens.slice(0, 60);
    const before = await readWhole(prompt);
    await backbone.express(tokens.slice(5, 90));
    await backbone.embed([tokens.slice(0, 20), tokens.slice(9, 30)]);
    expect(sameBits(await readWhole(prompt), before)).toBe(true);
  });
});

describe("prefill and decode", () => {
  it("give the same result in chunks as in one run", async () => {
    for (const length of [1, 31, 32, 33, 200]) {
      const prompt = tokens.slice(length, 2 * length);
      const whole = await readWhole(prompt);
      const inChunks = await chunked.prefill(prompt);
      expect(whole.length).toBe(model.architecture.vocabularySize);
      expect(inChunks.cache.length).toBe(length);
      expect(distance(whole, inChunks.logits), `${length} tokens`).toBeLessThan(bound);
    }
  });

  it("reuse the longest cached prefix, to the token, with the result of reading all tokens", async () => {
    const reader = await createBackbone(model, { provider: "cpu", threads: 1, chunkTokens: 32 });
    const long = tokens.slice(0, 200);
    const first = await reader.prefill(long);
    expect(first.reused).toBe(0);
    const variants: [readonly number[], number][] = [
      // At least the last token is read, because its logits are requested.
      [long, 199],
      [tokens.slice(0, 203), 200],
      [[...tokens.slice(0, 150), ...tokens.slice(400, 480)], 150],
      [tokens.slice(0, 161), 150],
      [tokens.slice(0, 20), 19],
      [tokens.slice(1, 100), 0],
    ];
    for (const [i, [variant, reused]] of variants.entries()) {
      const again = await reader.prefill(variant);
      expect([again.cache.length, again.reused], `variant ${i}`).toEqual([variant.length, reused]);
      const whole = await readWhole(variant);
      expect(distance(again.logits, whole), `variant ${i}`).toBeLessThan(bound);
      const next = await reader.decode(again.cache, [300]);
      expect(distance(next.logits[0]!, await readWhole([...variant, 300])), `after variant ${i}`).toBeLessThan(bound);
    }
    // The first handle is still valid, although its rows were evicted.
    const decoded = await reader.decode(first.cache, [300]);
    expect(distance(decoded.logits[0]!, await readWhole([...long, 300]))).toBeLessThan(bound);
    await reader.dispose();
  });

  it("cache several texts with their decoded tokens, also texts with a common prefix", async () => {
    const reader = await createBackbone(model, { provider: "cpu", threads: 1 });
    const [one, other] = [tokens.slice(0, 200), [...tokens.slice(0, 30), ...tokens.slice(500, 650)]];
    const { cache } = await reader.prefill(one);
    await reader.decode(cache, [300, 301]);
    expect((await reader.prefill(other)).reused).toBe(30);
    expect((await reader.prefill([...one, 300, 301, 302])).reused).toBe(202);
    expect((await reader.prefill([...other, 5])).reused).toBe(180);
    await reader.dispose();
  });

  it("evict the least recently used text at the memory limit, and read it again when needed", async () => {
    // A token of the default model takes 6.75 kB, and a text of 200 tokens has a capacity of 320.
    const { layers, keyValueHeads, headDim } = model.architecture;
    const bytes = 320 * layers * (2 * keyValueHeads * headDim + 2 * model.retrieval.rank) * 4;
    const reader = await createBackbone(model, {
      provider: "cpu",
      threads: 1,
      cacheMegabytes: (2.5 * bytes) / 2 ** 20,
    });
    const texts = [0, 1, 2].map((i) => tokens.slice(i * 210, i * 210 + 200));
    const [first] = [await reader.prefill(texts[0]!), await reader.prefill(texts[1]!)];
    expect((await reader.prefill([...texts[0]!, 9])).reused).toBe(200);
    expect((await reader.prefill(texts[2]!)).reused).toBe(0);
    expect((await reader.prefill(texts[0]!)).reused).toBe(199);
    expect((await reader.prefill(texts[1]!)).reused).toBe(0);
    expect((await reader.prefill(texts[2]!)).reused).toBe(0);
    const decoded = await reader.decode(first.cache, [300]);
    expect(distance(decoded.logits[0]!, await readWhole([...texts[0]!, 300]))).toBeLessThan(bound);
    await reader.dispose();
  });

  it("give the same need after a prefill, with a prefill, beside a cached text and alone", async () => {
    const query = tokens.slice(700, 800);
    await backbone.prefill([7]);
    const alone = await backbone.express(query);
    const { need, logits } = await chunked.prefill(query, { express: true });
    expect(dot(need!, alone)).toBeGreaterThan(0.99999);
    expect(distance(logits, await readWhole(query))).toBeLessThan(bound);
    await chunked.prefill([...query, ...tokens.slice(0, 50)]);
    expect(dot(await chunked.express(query), alone)).toBeGreaterThan(0.99999);
    expect((await chunked.prefill([...query, 4])).reused).toBe(100);
    expect((await chunked.prefill(query)).need).toBeUndefined();
  });

  it("give the logits of a prefill of the longer text, for one decoded token or several", async () => {
    let { cache } = await chunked.prefill(tokens.slice(0, 50));
    const distances: number[] = [];
    for (const count of [1, 1, 2, 5, 16]) {
      const before = cache.length;
      const decoded = await chunked.decode(cache, tokens.slice(before, before + count));
      ({ cache } = decoded);
      expect([cache.length, decoded.logits.length]).toEqual([before + count, count]);
      for (const [i, logits] of decoded.logits.entries()) {
        const whole = await readWhole(tokens.slice(0, before + i + 1));
        const apart = distance(whole, logits);
        expect(apart, `after ${before + i + 1} tokens`).toBeLessThan(bound);
        if (apart < closely) expect(argmax(logits)).toBe(argmax(whole));
        distances.push(apart);
      }
    }
    expect(distances.filter((apart) => apart < closely).length).toBeGreaterThan(distances.length / 2);
  });

  it("give the same logits after a rewind as if the dropped tokens had never been read", async () => {
    const { cache } = await chunked.prefill(tokens.slice(0, 50));
    const drafted = await chunked.decode(cache, [300, 301, 302, 303]);
    const kept = chunked.rewind(drafted.cache, 51);
    expect(kept.length).toBe(51);
    const decoded = await chunked.decode(kept, [400]);
    expect(distance(decoded.logits[0]!, await readWhole([...tokens.slice(0, 50), 300, 400]))).toBeLessThan(bound);
    expect(() => chunked.rewind(drafted.cache, 50)).toThrow(/found one that a call has consumed/);
    for (const length of [0, 53, 1.5]) expect(() => chunked.rewind(decoded.cache, length)).toThrow(`found ${length}`);
    expect(chunked.rewind(decoded.cache, 52).length).toBe(52);
  });

  it("depend on the whole prompt", async () => {
    const prompt = tokens.slice(0, 80);
    const { logits } = await chunked.prefill(prompt);
    const changed = await chunked.prefill([prompt[0] === 300 ? 301 : 300, ...prompt.slice(1)]);
    expect(distance(logits, changed.logits)).toBeGreaterThan(10 * closely);
  });

  it("accept tokens up to the context length, and refuse one more", async () => {
    const { cache } = await backbone.prefill(tokens.slice(0, model.contextLength - 1));
    const full = await backbone.decode(cache, [100]);
    expect(full.logits[0]!.every(Number.isFinite)).toBe(true);
    await expect(backbone.decode(full.cache, [100])).rejects.toThrow(/room in the context of \d+ tokens/);
  });

  it("refuse a used cache, and leave a cache usable after a refused call", async () => {
    const { cache } = await backbone.prefill(tokens.slice(0, 10));
    await expect(backbone.decode(cache, [5], AbortSignal.abort())).rejects.toMatchObject(aborted);
    await backbone.decode(cache, [5]);
    await expect(backbone.decode(cache, [5])).rejects.toThrow(/found one that a call has consumed/);
    await expect(backbone.decode({ length: 3 }, [5])).rejects.toThrow(/a cache of this backbone/);
  });

  it("refuse token ids outside the vocabulary", async () => {
    const { cache } = await backbone.prefill([5]);
    await expect(backbone.decode(cache, [])).rejects.toThrow(/expected 1 to 16 tokens, found 0/);
    await expect(
      backbone.decode(
        cache,
        Array.from({ length: 17 }, () => 5),
      ),
    ).rejects.toThrow(/expected 1 to 16 tokens, found 17/);
    await expect(backbone.prefill([])).rejects.toThrow(/expected 1 to \d+ tokens, found 0/);
    await expect(backbone.prefill(Array.from({ length: model.contextLength + 1 }, () => 9))).rejects.toThrow(
      `found ${model.contextLength + 1}`,
    );
    for (const id of [-1, 1.5, model.architecture.vocabularySize])
      await expect(backbone.prefill([id])).rejects.toThrow(`found ${id}`);
  });
});

describe("a model that computes in float16", () => {
  let half: ModelPackage;
  let words: Tokenizer;
  let reader: Backbone;
  beforeAll(async () => {
    half = await loadModelPackage(halfModelPath);
    words = await Tokenizer.load(half);
    reader = await createBackbone(half, { provider: "cpu", threads: 1, chunkTokens: 32 });
  });
  afterAll(() => reader.dispose());

  const learnt = "def add(first, second):\n    return first + second\n";

  it("generates the text it was trained on, with keys and values in float16", async () => {
    const format = new PromptFormat(half, words);
    const prompt = format.leftToRight("add.py", "def add(first, second):\n", 100);
    let { cache, logits } = await reader.prefill(prompt);
    const generated: number[] = [];
    for (let step = 0; step < 12; step++) {
      generated.push(argmax(logits.subarray(0, words.vocabularySize)));
      const next = await reader.decode(cache, generated.slice(-1));
      cache = next.cache;
      logits = next.logits[0]!;
    }
    expect(words.decode(generated)).toContain("return first + second");
  });

  it("gives the same logits in chunks and for several tokens at once as in one run", async () => {
    const prompt = words.encode(learnt.repeat(9)).slice(0, half.contextLength);
    expect(prompt.length).toBeGreaterThan(64);
    const whole = await createBackbone(half, { provider: "cpu", threads: 1, chunkTokens: 256 });
    const right = await whole.prefill(prompt);
    const { cache } = await reader.prefill(prompt.slice(0, -6));
    const { logits } = await reader.decode(cache, prompt.slice(-6));
    expect(distance(logits.at(-1)!, right.logits)).toBeLessThan(halfBound);
    await whole.dispose();
  });

  it("makes unit vectors of needs and fragments", async () => {
    const rows = [words.encode(learnt), words.encode("x = 1\n")];
    for (const vector of [...(await reader.embed(rows)), await reader.express(rows[0]!)])
      expect(dot(vector, vector)).toBeCloseTo(1, 2);
  });

  it("is refused when its package states another precision", async () => {
    const other: ModelPackage = { ...half, weights: { stored: "float16", computed: "float32" } };
    await expect(createBackbone(other, { provider: "cpu", threads: 1 })).rejects.toThrow(
      /to be float32\[.*found float16\[.*install the model package again/,
    );
  });
});
