// Speculative decoding gives the text of decoding token by token in fewer runs of the model.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Generation, generate } from "../../../../sidecar/completion/decoding/generate";
import { NgramLookup } from "../../../../sidecar/completion/decoding/ngram-lookup";
import { DraftLength, draftFrom } from "../../../../sidecar/completion/decoding/speculative";
import { healPrefix } from "../../../../sidecar/completion/decoding/token-healing";
import { assemblePrompt } from "../../../../sidecar/completion/prompt";
import { readCursor } from "../../../../sidecar/completion/syntax/cursor";
import { type Backbone, type KvCache, maxDecodedTokens } from "../../../../sidecar/inference/backbone";
import { createBackbone } from "../../../../sidecar/inference/onnx-backbone";
import { loadModelPackage, type ModelPackage } from "../../../../sidecar/inference/package/model-package";
import { PromptFormat } from "../../../../sidecar/inference/prompt-format";
import { Tokenizer } from "../../../../sidecar/inference/tokenizer";
import { languageIdOf } from "../../../../sidecar/languages/languages";
import { modelPath } from "../../../model";
import { marked } from "../cursor-marks";
import { randomBelow } from "../random";
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

it("speculative decoding gives the same text as decoding without drafts", async () => {
  const vocabulary = 7;
  const random = randomBelow(7);
  const runs = { drafted: 0, plain: 0 };
  for (let round = 0; round < 300; round++) {
    const salt = random(1000);
    const sureness = 1 + random(6);
    /** A model that depends on the last two tokens, so that leftovers of a wrong draft would change the text. */
    const logitsAfter = (tokens: readonly number[]) =>
      Float32Array.from(
        { length: vocabulary },
        (_, id) =>
          ((((id + 1) * 7919 + (tokens.at(-1) ?? 0) * 104729 + (tokens.at(-2) ?? 0) * 1299709 + salt * 15485863) %
            1000) /
            1000) *
          sureness,
      );
    const prompt = Array.from({ length: 60 }, () => 1 + random(vocabulary - 1));
    const run = async (drafting: boolean): Promise<Generation & { generated: number[] }> => {
      const read = [...prompt];
      const generated: number[] = [];
      const cacheOf = (): KvCache => ({ length: read.length });
      const backbone: Pick<Backbone, "decode" | "rewind"> = {
        decode: async (cache, tokens) => {
          expect(cache.length).toBe(read.length);
          const logits = tokens.map((token) => {
            read.push(token);
            return logitsAfter(read);
          });
          return { cache: cacheOf(), logits };
        },
        rewind: (_, length) => {
          read.length = length;
          return cacheOf();
        },
      };
      const words: Pick<Tokenizer, "vocabularySize" | "stream" | "decode" | "bytesOf"> = {
        vocabularySize: vocabulary,
        bytesOf: (id) => Uint8Array.of(96 + id),
        decode: (ids) => String.fromCharCode(...ids.map((id) => 96 + id)),
        stream: () => ({
          push: (id) => {
            generated.push(id);
            return String.fromCharCode(96 + id);
          },
          end: () => "",
        }),
      };
      const promptLookup = new NgramLookup(
        prompt,
        prompt.slice(-12),
        new Set([0]),
        [0, 0.1, 0.3, 0.5, 0.65, 0.75, 0.8],
      );
      const begin = { cache: cacheOf(), logits: logitsAfter(read) };
      const result = await generate({
        backbone: backbone as Backbone,
        tokenizer: words as Tokenizer,
        stopTokens: new Set([0]),
        prompt: begin,
        maxTokens: 30,
        promptLookup,
        drafting,
        cursor: marked("x = ║").context.cursor,
      });
      return { ...result, generated };
    };
    const [plain, drafted] = [await run(false), await run(true)];
    expect({ ...drafted, decodeSteps: 0 }, `round ${round}`).toEqual({ ...plain, decodeSteps: 0 });
    runs.drafted += drafted.decodeSteps;
    runs.plain += plain.decodeSteps;
  }
  expect(runs.drafted).toBeLessThan(runs.plain * 0.8);
});

describe("speculative decoding of the real model", () => {
  let backbone: Backbone;
  beforeAll(async () => {
    backbone = await createBackbone(model, { provider: "cpu", threads: 1 });
  });
  afterAll(() => backbone.dispose());

  const root = join(__dirname, "../../../..");
  /** Runs of the model over all files. */
  const runs = { drafted: 0, plain: 0 };

  /** Typing cursors in a file, spread evenly: after a dot, a bracket, an equals sign, or at the start of a line. */
  function places(path: string, count: number): number[] {
    const all = [...readFileSync(join(root, path), "utf8").matchAll(/(?<=\w\.|[(=] ?|^[ \t]+)(?=[A-Za-z_])/gm)].map(
      ({ index }) => index,
    );
    return Array.from({ length: count }, (_, n) => all[Math.floor(((n + 0.5) * all.length) / count)] ?? 0);
  }

  it.each([
    "test/fixtures/workspace/shop/orders.py",
    "test/fixtures/workspace/shop/reports.py",
    "test/fixtures/workspace/web/src/api-client.ts",
    "sidecar/completion/decoding/stop.ts",
    "sidecar/workspace/files/walk.ts",
    "models/training/selfracg/data/prompt_format.py",
  ])("gives the same text in %s as decoding token by token", async (path) => {
    const text = readFileSync(join(root, path), "utf8");
    for (const offset of places(path, 3)) {
      const context = {
        uri: `file:///w/${path}`,
        path,
        languageId: languageIdOf(path),
        prefix: text.slice(0, offset),
        suffix: text.slice(offset),
      };
      const { prefix, required } = healPrefix(tokenizer, context.prefix);
      const { tokens } = assemblePrompt(format, { ...context, prefix }, [], 900);
      const run = async (drafting: boolean) => {
        const promptLookup = new NgramLookup(
          format.withoutPaths(tokens),
          tokenizer.encode(prefix.slice(-200)),
          format.stopTokens,
          backbone.model.ngramWeights,
        );
        return generate({
          backbone,
          tokenizer,
          stopTokens: format.stopTokens,
          prompt: await backbone.prefill(tokens),
          maxTokens: 24,
          required,
          promptLookup,
          drafting,
          cursor: readCursor(context),
        });
      };
      const [plain, drafted] = [await run(false), await run(true)];
      // Logits of one run may differ in the last digits from those read one by one.
      const starts = (generation: Generation) => ({
        ...generation,
        decodeSteps: 0,
        textTokens: generation.textTokens.map(({ start }) => start),
      });
      expect(starts(drafted), `${path} at ${offset}`).toEqual(starts(plain));
      for (const [each, { logProbability }] of drafted.textTokens.entries())
        expect(logProbability).toBeCloseTo(plain.textTokens[each]?.logProbability ?? Number.NaN, 1);
      runs.drafted += drafted.decodeSteps;
      runs.plain += plain.decodeSteps;
    }
  });

  it("needs fewer runs of the model", () => {
    expect(runs.drafted).toBeLessThan(runs.plain * 0.9);
  });
});
