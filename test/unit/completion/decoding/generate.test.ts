// Decoding: where it ends, what its text never contains, and how soon it is cancelled.
import { beforeAll, describe, expect, it } from "vitest";
import { generate } from "../../../../sidecar/completion/decoding/generate";
import { argmax, logProbability } from "../../../../sidecar/completion/decoding/greedy";
import { loadModelPackage, type ModelPackage } from "../../../../sidecar/inference/package/model-package";
import { PromptFormat } from "../../../../sidecar/inference/prompt-format";
import { Tokenizer } from "../../../../sidecar/inference/tokenizer";
import { modelPath } from "../../../model";
import { marked } from "../cursor-marks";
import { scriptedBackbone } from "../scripted-backbone";

let model: ModelPackage;
let tokenizer: Tokenizer;
let stopTokens: ReadonlySet<number>;
beforeAll(async () => {
  model = await loadModelPackage(modelPath, { verifyHashes: false });
  tokenizer = await Tokenizer.load(model);
  stopTokens = new PromptFormat(model, tokenizer).stopTokens;
});

/** Decodes at the cursor of `document` with a model that generates `text`. */
function decode(
  document: string,
  text: string | readonly number[],
  options: { maxTokens?: number; signal?: AbortSignal; onStep?: (step: number) => void; last?: number } = {},
) {
  const script = typeof text === "string" ? tokenizer.encode(text) : text;
  const backbone = scriptedBackbone(model, {
    tokens: script,
    last: options.last ?? tokenizer.tokenOf(model.specialTokens.endOfText),
    onStep: options.onStep,
  });
  const { cursor } = marked(document).context;
  const running = backbone.prefill([0]).then((prompt) =>
    generate({
      backbone,
      tokenizer,
      stopTokens,
      prompt,
      maxTokens: options.maxTokens ?? 48,
      cursor,
      signal: options.signal,
    }),
  );
  return { running, backbone };
}

describe("a generation ends", () => {
  it("at the end of the text", async () => {
    expect(await decode("const a = ║", "b").running).toMatchObject({
      text: "b",
      stopReason: "end-of-text",
      generatedTokens: 2,
    });
  });

  it("at the end of the statement, without decoding more tokens", async () => {
    const { running, backbone } = decode("const a = ║", "b;\nconst c = d;\nconst e = f;");
    expect(await running).toMatchObject({ text: "b;", stopReason: "end-of-statement" });
    expect(tokenizer.decode(backbone.held)).not.toContain("const");
  });

  it("at the end of the block", async () => {
    expect(await decode("f() {\n  ║\n}", "a();\n}\nb();").running).toMatchObject({
      text: "a();",
      stopReason: "end-of-block",
    });
  });

  it("at the token limit, without its last incomplete line", async () => {
    const result = await decode("f() {\n  ║\n}", "first(a);\n  second(b, c, d, e, f, g, h);", { maxTokens: 12 })
      .running;
    expect(result).toMatchObject({ text: "first(a);", stopReason: "token-limit", generatedTokens: 12 });
  });

  it("in a loop, after its first iteration", async () => {
    const [round] = tokenizer.encode(" ab");
    const result = await decode("const a = [║", [], { last: round ?? 0 }).running;
    expect(result.stopReason).toBe("repetition");
    expect(result.text).toBe(tokenizer.decode([round ?? 0]));
  });

  it("not at the first token where code cannot end", async () => {
    const result = await decode("const a = b.║", [
      tokenizer.tokenOf(model.specialTokens.endOfText),
      ...tokenizer.encode("c"),
    ]).running;
    expect(result.text).not.toBe("");
    expect(result).toMatchObject({ stopReason: "end-of-text" });
  });

  it("with no text when the model generates none", async () => {
    expect(await decode("const a = b║", "").running).toMatchObject({
      text: "",
      stopReason: "end-of-text",
      generatedTokens: 1,
    });
  });
});

it("a generation never has a special token in its text", async () => {
  for (const special of stopTokens) {
    const result = await decode("const a = ║", [...tokenizer.encode("b"), special, ...tokenizer.encode("c")]).running;
    expect(result).toMatchObject({ text: "b", stopReason: "end-of-text" });
  }
});

it("a generation joins characters of several tokens", async () => {
  const text = "'größe 大小 😀👩‍🚀'";
  expect(tokenizer.encode(text).length).toBeGreaterThan(8);
  expect((await decode("const a = ║", text).running).text).toBe(text);
});

it("a generation drops the bytes of a character that the limit cut off", async () => {
  const face = tokenizer.encode("a+😀");
  const result = await decode("const a = ║", face, { maxTokens: face.length - 1 }).running;
  expect(result.text).toBe("a+");
});

describe("an abort", () => {
  it("ends it before the first token", async () => {
    const { running, backbone } = decode("║", "a", { signal: AbortSignal.abort() });
    await expect(running).rejects.toMatchObject({ name: "AbortError" });
    expect(backbone.decoded).toEqual([]);
  });

  it("ends it between two tokens", async () => {
    const controller = new AbortController();
    const onStep = (step: number) => step === 3 && controller.abort();
    const { running, backbone } = decode("const a = ║", "b + c + d + e + f + g", { signal: controller.signal, onStep });
    await expect(running).rejects.toMatchObject({ name: "AbortError" });
    expect(backbone.decoded).toHaveLength(3);
  });
});

it("argmax is the most likely token, the first of equals", () => {
  expect(argmax(Float32Array.of(-3, -1, -1, -2))).toBe(1);
  expect(argmax(Float32Array.of(-3, -1, -1, -2), (id) => id !== 1)).toBe(2);
  expect(argmax(Float32Array.of(-Infinity, -Infinity), (id) => id === 1)).toBe(1);
  expect(() => argmax(new Float32Array())).toThrow(/found none/);
  expect(() => argmax(Float32Array.of(1), () => false)).toThrow(/found none/);
});

it("logProbability is relative to the allowed tokens", () => {
  const values = Float32Array.of(Math.log(1), Math.log(2), Math.log(5), -1000);
  expect(Math.exp(logProbability(values, 2))).toBeCloseTo(5 / 8, 4);
  expect(Math.exp(logProbability(values, 1, (id) => id < 2))).toBeCloseTo(2 / 3, 4);
  expect(logProbability(Float32Array.of(1000, -1000), 0)).toBeCloseTo(0, 6);
  expect(logProbability(Float32Array.of(1000, -1000), 1)).toBe(-Infinity);
});

it("a generation has the start and the probability of each token of its text", async () => {
  const text = "first(a);";
  const { textTokens, tokens } = await decode("const a = ║", text).running;
  expect(textTokens).toHaveLength(tokens.length);
  expect(textTokens.map(({ start }) => start)).toEqual(
    tokens.map((_, at) => tokenizer.decode(tokens.slice(0, at)).length),
  );
  // The scripted model is almost certain.
  for (const { logProbability } of textTokens) expect(logProbability).toBeCloseTo(0, 6);
});
