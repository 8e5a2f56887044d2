// The backbone on ONNX Runtime: isolation of expressions, KV cache, batches, cancellation, errors.
import { readFile } from "node:fs/promises";
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Backbone } from "../../../sidecar/inference/backbone";
import { createBackbone, defaultThreads } from "../../../sidecar/inference/onnx-backbone";
import { loadOnnxRuntime } from "../../../sidecar/inference/onnx-runtime";
import { loadModelPackage, type ModelPackage } from "../../../sidecar/inference/package/model-package";
import { ModelPackageError } from "../../../sidecar/inference/package/model-package-error";
import { PromptFormat } from "../../../sidecar/inference/prompt-format";
import { Tokenizer } from "../../../sidecar/inference/tokenizer";
import { halfModelPath, modelPath } from "../../model";

let model: ModelPackage;
/** Reads in one chunk and caches one text. */
let backbone: Backbone;
/** Reads in chunks of 32, so that most tests need several, and caches many texts. */
let chunked: Backbone;
let tokens: number[];
let format: PromptFormat;

beforeAll(async () => {
  model = await loadModelPackage(modelPath);
  backbone = await createBackbone(model, {
    provider: "cpu",
    threads: 1,
    chunkTokens: model.contextLength,
    cacheMegabytes: 0,
  });
  chunked = await createBackbone(model, { provider: "cpu", threads: 1, chunkTokens: 32 });
  const tokenizer = await Tokenizer.load(model);
  format = new PromptFormat(model, tokenizer);
  tokens = tokenizer.encode(await readFile(import.meta.filename, "utf8"));
  expect(tokens.length).toBeGreaterThan(model.contextLength);
});
afterAll(async () => {
  await Promise.all([backbone.dispose(), chunked.dispose()]);
});

/** The largest difference relative to the largest value. */
function distance(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  const scale = a.reduce((max, value) => Math.max(max, Math.abs(value)), 1e-9);
  return a.reduce((max, value, i) => Math.max(max, Math.abs(value - b[i]!)), 0) / scale;
}

/** Logits after `tokens`, read in one chunk without a cached prefix. */
async function readWhole(tokens: readonly number[]): Promise<Float32Array> {
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
const closely = 1e-3;
const bound = 0.06;
/** The same for a model that computes in float16. */
const halfBound = 0.2;

const argmax = (logits: Float32Array): number => logits.indexOf(logits.reduce((a, b) => Math.max(a, b)));

const bits = (values: Float32Array): Buffer => Buffer.from(values.buffer, values.byteOffset, values.byteLength);
const sameBits = (a: Float32Array, b: Float32Array): boolean => bits(a).equals(bits(b));

const dot = (a: Float32Array, b: Float32Array): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
const aborted = { name: "AbortError" };

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

describe("needs and fragment vectors", () => {
  it("have unit length, and needs are the same in chunks as in one run", async () => {
    for (const length of [20, 70]) {
      const query = tokens.slice(0, length);
      const whole = await backbone.express(query);
      const inChunks = await chunked.express(query);
      expect(whole.length).toBe(model.retrieval.dimension);
      expect(dot(whole, whole)).toBeCloseTo(1, 4);
      expect(dot(whole, inChunks), `${length} tokens`).toBeGreaterThan(0.9999);
    }
    expect(
      dot(await backbone.express(tokens.slice(0, 70)), await backbone.express(tokens.slice(200, 270))),
    ).toBeLessThan(0.9999);
  });

  it("are the same in batches as one by one, in the order of the input", async () => {
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

  it("are made of what the prompt format renders", async () => {
    const rendered = format.fragmentEmbedding("src/a.ts", "export const a = 1;");
    const [vector] = await backbone.embed([rendered]);
    expect(vector!.every(Number.isFinite)).toBe(true);
  });
});

describe("the backbone", () => {
  it("stops a prefill between two chunks and keeps the chunks before in the cache", async () => {
    // Chunks of one token take seconds in total, and the signal is aborted after a moment.
    const reader = await createBackbone(model, { provider: "cpu", threads: 1, chunkTokens: 1 });
    const long = tokens.slice(30, 930);
    const controller = new AbortController();
    const reading = reader.prefill(long, { signal: controller.signal });
    await new Promise((resolve) => setTimeout(resolve, 40));
    controller.abort();
    await expect(reading).rejects.toMatchObject(aborted);
    const { reused, logits } = await reader.prefill(long);
    expect(reused).toBeLessThan(long.length - 1);
    expect(distance(logits, await readWhole(long))).toBeLessThan(bound);
    await reader.dispose();
  });

  it("leaves the event loop free during a prefill", async () => {
    let turns = 0;
    const reading = backbone.prefill(tokens.slice(100, 1000)).then(() => (turns = -turns));
    // The whole text is one run, which would block this thread for a single turn.
    while (turns >= 0 && turns < 100_000) {
      await new Promise((resolve) => setImmediate(resolve));
      if (turns < 0) break;
      turns++;
    }
    await reading;
    expect(Math.abs(turns)).toBeGreaterThan(20);
  });

  it("rejects at once for a signal that is already aborted", async () => {
    const signal = AbortSignal.abort();
    for (const call of [
      backbone.prefill([5], { signal }),
      backbone.express([5], signal),
      backbone.embed([[5]], signal),
    ])
      await expect(call).rejects.toMatchObject(aborted);
  });

  it("runs a completion before the waiting batches of the index", async () => {
    const fragments = Array.from({ length: 60 }, (_, i) => tokens.slice(i, i + 120));
    let embedded = false;
    const index = backbone.embed(fragments).then(() => (embedded = true));
    await new Promise((done) => setTimeout(done, 5));
    await backbone.prefill(tokens.slice(0, 20));
    expect(embedded).toBe(false);
    // Index batches do not run between two tokens either.
    let { cache } = await backbone.prefill(tokens.slice(0, 21));
    for (let step = 0; step < 3; step++) ({ cache } = await backbone.decode(cache, [5]));
    expect(embedded).toBe(false);
    await index;
  });

  it("stops embedding between two batches", async () => {
    const controller = new AbortController();
    const fragments = Array.from({ length: 200 }, (_, i) => tokens.slice(i, i + 120));
    const index = backbone.embed(fragments, controller.signal);
    setTimeout(() => controller.abort(), 20);
    await expect(index).rejects.toMatchObject(aborted);
  });

  it("rejects waiting and later work with a clear error after disposal, even a second one", async () => {
    const own = await createBackbone(model, { provider: "cpu", threads: 1 });
    const waiting = expect(own.embed(Array.from({ length: 50 }, () => tokens.slice(0, 100)))).rejects.toThrow(
      /disposed of/,
    );
    await Promise.all([own.dispose(), own.dispose()]);
    await waiting;
    await expect(own.prefill([5])).rejects.toThrow(/disposed of: make a new one/);
  });
});

describe("the thread", () => {
  it("restarts after a crash, and earlier cache handles still work", async () => {
    const own = await createBackbone(model, { provider: "cpu", threads: 1 });
    const post = vi.spyOn(Worker.prototype, "postMessage");
    const { cache } = await own.prefill(tokens.slice(0, 60));
    const threads = post.mock.contexts as Worker[];
    const reading = expect(own.prefill(tokens.slice(100, 900))).rejects.toThrow(
      /inference thread to keep running, but it ended \(out of memory\): the next request/,
    );
    await new Promise((resolve) => setImmediate(resolve));
    threads[0]!.emit("error", new Error("out of memory"));
    await reading;
    const decoded = await own.decode(cache, [300]);
    const second = threads.at(-1)!;
    post.mockRestore();
    expect(second).not.toBe(threads[0]);
    expect(distance(decoded.logits[0]!, await readWhole([...tokens.slice(0, 60), 300]))).toBeLessThan(bound);
    // Between two requests.
    await second.terminate();
    expect((await own.prefill(tokens.slice(0, 9))).reused).toBe(0);
    threads[0]!.postMessage("close");
    await own.dispose();
  });

  it("refuses the graph of another model and states what it expected", async () => {
    const other = { ...model, architecture: { ...model.architecture, layers: model.architecture.layers + 1 } };
    await expect(createBackbone(other, { provider: "cpu", threads: 1 })).rejects.toThrow(ModelPackageError);
    await expect(createBackbone(other, { provider: "cpu", threads: 1 })).rejects.toThrow(
      /expected the output new.key|expected the output new.need|expected an input past\.\d+/,
    );
    const missing = { ...model, graphPath: "/nowhere/model.onnx" };
    await expect(createBackbone(missing, { provider: "cpu", threads: 1 })).rejects.toThrow(
      /nowhere.*Install the model package again/s,
    );
  });
});

describe("the provider", () => {
  it("is reported with the reason, and with a warning when CUDA was requested but cannot be used", async () => {
    const lines: string[] = [];
    const warnings: string[] = [];
    const own = await createBackbone(model, {
      provider: "cuda",
      threads: 1,
      log: (line) => lines.push(line),
      warn: (line) => warnings.push(line),
    });
    expect(own.provider.reason).toMatch(/^cuda: /);
    expect(lines).toEqual([
      `${model.name} ${model.version} on ${own.provider.name}, threads: 1 (${own.provider.reason})`,
    ]);
    expect(warnings.length).toBe(own.provider.name === "cpu" ? 1 : 0);
    expect((await own.prefill([5])).logits.length).toBe(model.architecture.vocabularySize);
    await own.dispose();
  });
});

describe("the default threads", () => {
  it("are one for two hardware threads, and at most four", () => {
    expect([1, 2, 4, 6, 8, 16, 64].map(defaultThreads)).toEqual([1, 2, 2, 3, 4, 4, 4]);
  });
});
