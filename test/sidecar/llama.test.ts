// llama.cpp in the inference benchmark: node-llama-cpp is installed on demand and times a tiny GGUF file without a network.
import { fork } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { installLlama } from "../bench/inference/llama-package";
import { randomNumbers } from "../bench/random";
import { type BuiltTensor, buildGguf, u32, u64 } from "../unit/models/gguf-builder";
import { cleanUp, dist, endAtCleanUp, temporaryFolder } from "./client";
import { obstacleToTracing, readTrace, traceCommand } from "./system-calls";

const root = resolve(import.meta.dirname, "../..");
/** The benchmark's folder, so that the package is downloaded once. */
const folder = join(root, ".cache", "node-llama-cpp");
const installed = await installLlama(folder, () => {}).then(
  (entry) => ({ entry }),
  (error: unknown) => ({ reason: error instanceof Error ? error.message : String(error) }),
);
const reason = "reason" in installed ? installed.reason : undefined;

afterAll(cleanUp);

/** SentencePiece's first tokens with ggml's numbers of their types: unknown, begin, end, and all bytes. */
const tokens = [
  { text: "<unk>", kind: 2 },
  { text: "<s>", kind: 3 },
  { text: "</s>", kind: 3 },
  ...Array.from({ length: 256 }, (_, byte) => ({
    text: `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`,
    kind: 6,
  })),
];

/** A Llama of one layer with random weights. */
function tinyLlama(): Buffer {
  const hidden = 32;
  const feedForward = 64;
  const random = randomNumbers();
  const tensor = (name: string, shape: readonly number[], value = () => random() - 0.5): BuiltTensor => {
    const numbers = Float32Array.from({ length: shape.reduce((product, size) => product * size, 1) }, value);
    return { name: `${name}.weight`, shape, type: 0, data: new Uint8Array(numbers.buffer) };
  };
  const ones = (name: string) => tensor(name, [hidden], () => 1);
  const kinds = Buffer.concat([u32(9), u32(5), u64(BigInt(tokens.length)), ...tokens.map(({ kind }) => u32(kind))]);
  const scores = Buffer.concat([u32(9), u32(6), u64(BigInt(tokens.length)), Buffer.alloc(4 * tokens.length)]);
  const { bytes } = buildGguf({
    metadata: {
      "general.architecture": "llama",
      "llama.context_length": { u32: 2048 },
      "llama.embedding_length": { u32: hidden },
      "llama.block_count": { u32: 1 },
      "llama.feed_forward_length": { u32: feedForward },
      "llama.attention.head_count": { u32: 4 },
      "llama.attention.layer_norm_rms_epsilon": { f32: 1e-6 },
      "tokenizer.ggml.model": "llama",
      "tokenizer.ggml.tokens": { texts: tokens.map(({ text }) => text) },
      "tokenizer.ggml.token_type": { raw: kinds },
      "tokenizer.ggml.scores": { raw: scores },
    },
    tensors: [
      tensor("token_embd", [hidden, tokens.length]),
      ones("output_norm"),
      ones("blk.0.attn_norm"),
      ones("blk.0.ffn_norm"),
      ...["q", "k", "v", "output"].map((name) => tensor(`blk.0.attn_${name}`, [hidden, hidden])),
      ...["gate", "up"].map((name) => tensor(`blk.0.ffn_${name}`, [hidden, feedForward])),
      tensor("blk.0.ffn_down", [feedForward, hidden]),
    ],
  });
  return bytes;
}

/** Runs the phase as the benchmark does, with `through` before the command. */
function llamaPhase(options: object, through: readonly string[]): Promise<{ code: number | null; result: unknown }> {
  return new Promise((done, failed) => {
    const [program = process.execPath, ...rest] = through.length === 0 ? [] : [...through, process.execPath];
    const child = fork(join(dist, "bench.js"), ["--phase", "llama", JSON.stringify(options)], {
      execPath: program,
      execArgv: rest,
    });
    endAtCleanUp(child);
    let result: unknown;
    child.on("message", (message) => {
      result = message;
    });
    child.once("error", failed);
    child.once("exit", (code) => done({ code, result }));
  });
}

describe.skipIf(reason !== undefined)(`llama.cpp${reason === undefined ? "" : ` (skipped: ${reason})`}`, () => {
  const options = {
    entry: "entry" in installed ? installed.entry : "",
    threads: 1,
    vocabulary: tokens.length,
    budgetMs: 1,
  };

  it("is installed once", async () => {
    let announced = 0;
    expect(await installLlama(folder, () => (announced += 1))).toBe(options.entry);
    expect(announced).toBe(0);
  });

  it("is timed on the GGUF file without opening a socket", async () => {
    const obstacle = obstacleToTracing();
    const work = await temporaryFolder();
    const trace = join(work, "trace");
    const gguf = join(work, "tiny.gguf");
    await writeFile(gguf, tinyLlama());
    const { code, result } = await llamaPhase({ ...options, gguf }, obstacle === undefined ? traceCommand(trace) : []);
    expect(code).toBe(0);
    const above = expect.any(Number);
    expect(result).toEqual({
      name: expect.stringMatching(/^llama\.cpp \S+$/),
      loadMs: above,
      peakMegabytes: above,
      prefillMs: { 128: above, 512: above, 1024: above },
      decodeMs: { 512: above, 1024: above },
    });
    if (obstacle === undefined) expect((await readTrace(trace, root)).network).toEqual([]);
  });

  it("fails with a clear message for a file that is not GGUF", async () => {
    const { code, result } = await llamaPhase({ ...options, gguf: join(root, "package.json") }, []);
    expect(code).toBe(1);
    expect(result).toBeUndefined();
  });
});
