// Needs and fragment vectors, cancellation, errors, the thread and the provider of a backbone.
import { Worker } from "node:worker_threads";
import { describe, expect, it, vi } from "vitest";
import { createBackbone, defaultThreads } from "../../../sidecar/inference/onnx-backbone";
import { ModelPackageError } from "../../../sidecar/inference/package/model-package-error";
import { aborted, backbone, bound, chunked, distance, dot, format, model, readWhole, tokens } from "./real-backbones";

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
