// Half-typed words and indentation: the border between prompt and suggestion is none for the model.
import { beforeAll, describe, expect, it } from "vitest";
import { generate } from "../../../../sidecar/completion/decoding/generate";
import { argmax } from "../../../../sidecar/completion/decoding/greedy";
import { healPrefix, RequiredText } from "../../../../sidecar/completion/decoding/token-healing";
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

describe("the prefix", () => {
  it.each(["    retu", "def f():\n    ", "a.b(", "x = lengt", "const a = 1;\n"])(
    "%j loses its last token",
    (prefix) => {
      const healed = healPrefix(tokenizer, prefix);
      expect(healed.prefix + healed.required).toBe(prefix);
      expect(healed.required).not.toBe("");
      expect(tokenizer.encode(healed.required)).toHaveLength(1);
    },
  );

  it.each(["", "a", "x = '😀"])("%j keeps what cannot be taken off whole", (prefix) => {
    const healed = healPrefix(tokenizer, prefix);
    expect(healed.prefix + healed.required).toBe(prefix);
    expect(healed.required).not.toContain("\uFFFD");
  });
});

describe("what is required", () => {
  /** Logits with the given tokens on top, the first highest. */
  function preferring(...texts: string[]): Float32Array {
    const logits = new Float32Array(model.architecture.vocabularySize);
    for (const [at, text] of texts.entries()) logits[tokenizer.encode(text)[0] ?? 0] = 100 - at;
    return logits;
  }

  it("rules out tokens that spell something else, however likely", () => {
    const required = new RequiredText(tokenizer, stopTokens, "re");
    const token = argmax(preferring("self", "return"), required.allows);
    expect(tokenizer.decode([token])).toBe("return");
    required.consume(token);
    expect(required.done).toBe(true);
  });

  it("may be spelt by several tokens", () => {
    const required = new RequiredText(tokenizer, stopTokens, "    ");
    let spelt = "";
    while (!required.done) {
      const token = argmax(preferring(" ", "self"), required.allows);
      required.consume(token);
      spelt += tokenizer.decode([token]);
    }
    expect(spelt).toBe("    ");
  });

  it("is never paid by a special token", () => {
    const logits = new Float32Array(model.architecture.vocabularySize);
    for (const id of stopTokens) logits[id] = 100;
    expect(stopTokens.has(argmax(logits, new RequiredText(tokenizer, stopTokens, "<|").allows))).toBe(false);
  });
});

it("is no part of the suggestion, and decides nothing about its end", async () => {
  const { context } = marked("def f():\n    retu║", "python");
  const backbone = scriptedBackbone(model, {
    tokens: tokenizer.encode(" return a\nb"),
    last: tokenizer.tokenOf(model.specialTokens.endOfText),
  });
  const result = await generate({
    backbone,
    tokenizer,
    stopTokens,
    prompt: await backbone.prefill([0]),
    maxTokens: 48,
    required: " retu",
    cursor: context.cursor,
  });
  expect(result).toMatchObject({ text: "rn a", stopReason: "end-of-statement" });
});
