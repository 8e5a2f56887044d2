// Speculative decoding gives the same text as decoding without drafts, with a scripted and with the real model.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Generation, generate } from "../../../../sidecar/completion/decoding/generate";
import { NgramLookup } from "../../../../sidecar/completion/decoding/ngram-lookup";
import { healPrefix } from "../../../../sidecar/completion/decoding/token-healing";
import { assemblePrompt } from "../../../../sidecar/completion/prompt";
import { readCursor } from "../../../../sidecar/completion/syntax/cursor";
import type { Backbone, KvCache } from "../../../../sidecar/inference/backbone";
import { createBackbone } from "../../../../sidecar/inference/onnx-backbone";
import { loadModelPackage, type ModelPackage } from "../../../../sidecar/inference/package/model-package";
import { PromptFormat } from "../../../../sidecar/inference/prompt-format";
import { Tokenizer } from "../../../../sidecar/inference/tokenizer";
import { languageIdOf } from "../../../../sidecar/languages/languages";
import { modelPath } from "../../../model";
import { marked } from "../cursor-marks";
import { randomBelow } from "../random";

let model: ModelPackage;
let tokenizer: Tokenizer;
let format: PromptFormat;
beforeAll(async () => {
  model = await loadModelPackage(modelPath, { verifyHashes: false });
  tokenizer = await Tokenizer.load(model);
  format = new PromptFormat(model, tokenizer);
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
