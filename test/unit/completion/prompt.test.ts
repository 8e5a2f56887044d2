// Prompts within the model's context: their parts, the order, and what is dropped.
import { beforeAll, describe, expect, it } from "vitest";
import { assemblePrompt, maxCodeTokens } from "../../../sidecar/completion/prompt";
import { loadModelPackage, type ModelPackage } from "../../../sidecar/inference/package/model-package";
import { PromptFormat } from "../../../sidecar/inference/prompt-format";
import { Tokenizer } from "../../../sidecar/inference/tokenizer";
import type { CursorContext, SelectedFragment } from "../../../sidecar/retrieval/types";
import { modelPath } from "../../model";
import { fillInMiddle } from "../fill-in-middle";

let model: ModelPackage;
let tokenizer: Tokenizer;
let format: PromptFormat;
beforeAll(async () => {
  const shipped = await loadModelPackage(modelPath, { verifyHashes: false });
  model = { ...shipped, prompt: { ...shipped.prompt, fillInMiddle } };
  tokenizer = await Tokenizer.load(model);
  format = new PromptFormat(model, tokenizer);
});

const context = (prefix: string, suffix: string): CursorContext => ({
  uri: "file:///w/a.py",
  path: "a.py",
  languageId: "python",
  prefix,
  suffix,
});

function fragment(path: string, text: string): SelectedFragment {
  const tokens = format.fragment(path, text);
  const reference = { path, uri: `file:///w/${path}`, startLine: 1, endLine: 1, score: 0.5, tokens: tokens.length };
  return { fragment: { ...reference, text }, reference, tokens };
}

const decode = (tokens: readonly number[]) => tokenizer.decode(tokens);

it("a prompt is left to right where nothing follows the cursor", () => {
  const { tokens, fragments } = assemblePrompt(format, context("a = ", " \n\n"), [], 900);
  expect(tokens).toEqual(format.leftToRight("a.py", "a = ", 900));
  expect(fragments).toEqual([]);
});

it("a prompt is fill-in-the-middle where code follows", () => {
  const { tokens } = assemblePrompt(format, context("a = ", "\nprint(a)\n"), [], 900);
  expect(tokens).toEqual(format.fillInMiddle("a.py", "a = ", "\nprint(a)\n", 900));
  expect(decode(tokens)).toContain("print(a)");
});

it("a prompt has its fragments before the code, in the model's order", () => {
  const best = fragment("best.py", "def best(): pass");
  const second = fragment("second.py", "def second(): pass");
  const { tokens, fragments } = assemblePrompt(format, context("a = ", ""), [best, second], 900);
  const order = model.prompt.fragmentOrder === "best-last" ? [second, best] : [best, second];
  expect(fragments).toEqual(order);
  expect(tokens).toEqual([...order.flatMap((each) => each.tokens), ...format.leftToRight("a.py", "a = ", 900)]);
});

describe("a prompt's limit", () => {
  const long = Array.from({ length: 2000 }, (_, n) => `value_${n} = compute(${n})`).join("\n");

  it.each([200, 500, 800])("of %i tokens it fits whatever stands around the cursor", (room) => {
    const many = Array.from({ length: 4 }, (_, n) => fragment(`f${n}.py`, long.slice(n * 100, n * 100 + 300)));
    const { tokens } = assemblePrompt(format, context(long, `\n${long}`), many, room);
    expect(tokens.length).toBeLessThanOrEqual(room);
    expect(tokens.length).toBeGreaterThan(Math.min(room, maxCodeTokens) * 0.8);
  });

  it("keeps the code nearest to the cursor", () => {
    const text = decode(assemblePrompt(format, context(`${long}\nnearest = `, "\nafter_it()\n"), [], 300).tokens);
    expect(text).toContain("nearest = ");
    expect(text).toContain("after_it()");
    expect(text).not.toContain("value_0 =");
  });

  it("drops the worst fragments, not the code", () => {
    const best = fragment("best.py", long.slice(0, 200));
    const worst = fragment("worst.py", long.slice(0, 3000));
    const { fragments } = assemblePrompt(format, context(long, ""), [best, worst], 400);
    expect(fragments).toEqual([best]);
  });

  it("is lower for code than for the whole prompt", () => {
    const { tokens } = assemblePrompt(format, context(long, `\n${long}`), [], 976);
    expect(tokens.length).toBeLessThanOrEqual(maxCodeTokens);
  });

  it("is lowest for the suffix", () => {
    const { tokens } = assemblePrompt(format, context("a = ", `\n${long}`), [], 976);
    expect(tokens.length).toBeLessThan(250);
  });
});
