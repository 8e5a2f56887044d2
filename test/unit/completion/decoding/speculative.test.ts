// Speculative decoding of a scripted model gives the text of decoding token by token in fewer runs.
import { beforeAll, describe, expect, it } from "vitest";
import { generate } from "../../../../sidecar/completion/decoding/generate";
import { NgramLookup } from "../../../../sidecar/completion/decoding/ngram-lookup";
import { DraftLength, draftFrom } from "../../../../sidecar/completion/decoding/speculative";
import { maxDecodedTokens } from "../../../../sidecar/inference/backbone";
import { loadModelPackage, type ModelPackage } from "../../../../sidecar/inference/package/model-package";
import { PromptFormat } from "../../../../sidecar/inference/prompt-format";
import { Tokenizer } from "../../../../sidecar/inference/tokenizer";
import { modelPath } from "../../../model";
import { marked } from "../cursor-marks";
import { scriptedBackbone } from "../scripted-backbone";

let model: ModelPackage;
let tokenizer: Tokenizer;
let format: PromptFormat;
beforeAll(async () => {
  model = await loadModelPackage(modelPath, { verifyHashes: false });
  tokenizer = await Tokenizer.load(model);
  format = new PromptFormat(model, tokenizer);
});

describe("a draft", () => {
  const ids = (text: string) => [...text].map((letter) => (letter === "|" ? 0 : letter.charCodeAt(0)));
  const draft = (prompt: string, before: string, max = 15) =>
    String.fromCharCode(...draftFrom(new NgramLookup(ids(prompt), ids(before), new Set([0])), max));

  it("continues the longest match", () => {
    expect(draft("xabcdef|zbcpq|abc", "abc", 3)).toBe("def");
  });

  it("follows the most frequent continuation, and the nearest among equals", () => {
    expect(draft("abxy|abxz|abxz|abw|ab", "ab", 2)).toBe("xz");
    expect(draft("abx|aby|ab", "ab", 1)).toBe("y");
  });

  it("ends before a special token, at the end of the prompt, and at its limit", () => {
    expect(draft("abcd|ab", "ab")).toBe("cd");
    expect(draft("|abcab", "b")).toBe("cab");
    expect(draft("abcdefgh|ab", "ab", 4)).toBe("cdef");
    expect(draft("abcd|ab", "ab", 0)).toBe("");
  });

  it("is empty where nothing matches", () => {
    expect(draft("abcd", "xy")).toBe("");
  });
});

describe("the length of a draft", () => {
  it("is 0 without a match, small after a short one, and at most what one run decodes", () => {
    const length = new DraftLength();
    expect(length.after(0)).toBe(0);
    expect(length.after(1)).toBeLessThan(length.after(2));
    expect(length.after(2)).toBeLessThan(length.after(3));
    for (let n = 0; n < 20; n++) length.record(length.after(12), length.after(12));
    expect(length.after(12)).toBe(maxDecodedTokens - 1);
  });

  it("grows after a right draft, and shrinks to the right part of a wrong one", () => {
    const length = new DraftLength();
    const first = length.after(12);
    length.record(first, first);
    const grown = length.after(12);
    expect(grown).toBeGreaterThan(first);
    length.record(grown, 4);
    expect(length.after(12)).toBe(5);
    length.record(5, 0);
    expect(length.after(12)).toBeGreaterThan(0);
    expect(length.after(12)).toBeLessThan(5);
  });
});

describe("speculative decoding of a scripted model", () => {
  /** Generates `script` after `prompt`, which ends with `before`, with and without drafts, and expects the same text. */
  async function both(
    document: string,
    prompt: string,
    script: readonly number[],
    options: { maxTokens?: number; required?: string; before?: string } = {},
  ) {
    const { cursor } = marked(document).context;
    const { required = "", before = "", maxTokens = 48 } = options;
    const run = async (drafting: boolean) => {
      const backbone = scriptedBackbone(model, {
        tokens: script,
        last: tokenizer.tokenOf(model.specialTokens.endOfText),
      });
      const tokens = tokenizer.encode(prompt);
      const promptLookup = new NgramLookup(tokens, tokenizer.encode(before), format.stopTokens, model.ngramWeights);
      const result = await generate({
        backbone,
        tokenizer,
        stopTokens: format.stopTokens,
        prompt: await backbone.prefill(tokens),
        maxTokens,
        required,
        promptLookup,
        drafting,
        cursor,
      });
      return { result, backbone };
    };
    const [plain, drafted] = [await run(false), await run(true)];
    expect(plain.result.decodeSteps).toBe(plain.backbone.decoded.length);
    expect(drafted.result.decodeSteps).toBe(drafted.backbone.decoded.length);
    expect(drafted.result).toEqual({ ...plain.result, decodeSteps: drafted.result.decodeSteps });
    return { ...drafted, plainSteps: plain.result.decodeSteps };
  }
  const says = "order.reserve(copies, warehouse, customer)";

  it("decodes a right draft in one run", async () => {
    const { result, plainSteps } = await both("x = ║", `${says}\nx = `, tokenizer.encode(`${says}\n`));
    expect(result.text).toBe(says);
    expect(plainSteps).toBeGreaterThan(8);
    expect(result.decodeSteps).toBeLessThan(plainSteps / 2);
  });

  it("drops the wrong part of a draft", async () => {
    const script = tokenizer.encode("order.reserve(copies, customer, warehouse)\n");
    const { result, backbone } = await both("x = ║", `${says}\nx = `, script);
    expect(result.text).toBe("order.reserve(copies, customer, warehouse)");
    // The last chosen token is not read.
    expect(backbone.held.slice(0, result.generatedTokens - 1)).toEqual(script.slice(0, result.generatedTokens - 1));
  });

  it("ends at a stop token within a draft", async () => {
    const { result } = await both("║", `${says}\nx = `, tokenizer.encode("order.reserve"));
    expect(result).toMatchObject({ text: "order.reserve", stopReason: "end-of-text" });
  });

  it("ends at the end of a statement within a draft", async () => {
    const again = "first(alpha, beta);\nsecond(gamma, delta);\n";
    const { result, backbone } = await both("const x = 1;\n║y", `${again}\n`, tokenizer.encode(again));
    expect(result).toMatchObject({ text: "first(alpha, beta);", stopReason: "end-of-statement" });
    expect(backbone.decoded.some((tokens) => tokenizer.decode(tokens).includes("second"))).toBe(true);
  });

  it.each([1, 2, 3, 5, 8])("ends at the limit of %i tokens and drafts no more", async (maxTokens) => {
    const { result, backbone } = await both("║", `${says}\nx = `, tokenizer.encode(says), { maxTokens });
    expect(result.stopReason).toBe("token-limit");
    expect(backbone.held.length).toBe(maxTokens - 1);
  });

  it("ends in a loop as without drafts", async () => {
    const round = tokenizer.encode(" ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab ab");
    const { result } = await both("const a = [║", "x = [ ab ab ab ab ab ab ab ab ab]\n", round);
    expect(result.stopReason).toBe("repetition");
  });

  it("generates the same text with token healing", async () => {
    const script = tokenizer.encode(" return order.reserve(copies)\nb");
    const { result, plainSteps } = await both(
      "def f():\n    retu║",
      "def g():\n    return order.reserve(copies)\n\ndef f():\n   ",
      script,
      { required: " retu" },
    );
    expect(result).toMatchObject({ text: "rn order.reserve(copies)" });
    expect(result.decodeSteps).toBeLessThan(plainSteps);
  });

  it("drafts from the last suggestion without repeating it", async () => {
    const { cursor } = marked("x = ║").context;
    const script = tokenizer.encode("order.reserve(copies, customer)\n");
    const run = async (generated: string) => {
      const backbone = scriptedBackbone(model, { tokens: script, last: 0 });
      const before = tokenizer.encode("x =");
      const lastLookup = new NgramLookup([...before, ...tokenizer.encode(generated)], before, format.stopTokens);
      const result = await generate({
        backbone,
        tokenizer,
        stopTokens: format.stopTokens,
        prompt: await backbone.prefill(before),
        maxTokens: 48,
        promptLookup: new NgramLookup(before, before, format.stopTokens),
        lastLookup,
        cursor,
      });
      return result;
    };
    const [same, other, none] = [
      await run("order.reserve(copies, customer)\n"),
      await run("order.reserve(copies, warehouse)\n"),
      await run(""),
    ];
    for (const result of [same, other, none]) expect(result.text).toBe("order.reserve(copies, customer)");
    expect(same.decodeSteps).toBeLessThan(none.decodeSteps / 2);
    expect(other.decodeSteps).toBeLessThan(none.decodeSteps);
    expect(none.decodeSteps).toBe(script.length - 1);
  });

  it("is aborted between two tokens of a decoded draft", async () => {
    const controller = new AbortController();
    const script = tokenizer.encode(`${says}\n`);
    const backbone = scriptedBackbone(model, {
      tokens: script,
      last: 0,
      onStep: (step) => step === 4 && controller.abort(),
    });
    const tokens = tokenizer.encode(`${says}\nx = `);
    const promptLookup = new NgramLookup(tokens, [], format.stopTokens, model.ngramWeights);
    const running = generate({
      backbone,
      tokenizer,
      stopTokens: format.stopTokens,
      prompt: await backbone.prefill(tokens),
      maxTokens: 48,
      promptLookup,
      cursor: marked("║").context.cursor,
      signal: controller.signal,
    });
    await expect(running).rejects.toMatchObject({ name: "AbortError" });
    expect(backbone.held.length).toBeLessThan(script.length);
  });
});
