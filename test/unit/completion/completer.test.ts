// Completions from end to end over the real model, and the trace they leave.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Completer } from "../../../sidecar/completion/completer";
import type { Backbone } from "../../../sidecar/inference/backbone";
import { loadModelPackage, type ModelPackage } from "../../../sidecar/inference/model-package";
import { createBackbone } from "../../../sidecar/inference/onnx-backbone";
import { PromptFormat } from "../../../sidecar/inference/prompt-format";
import { Tokenizer } from "../../../sidecar/inference/tokenizer";
import { defaultSettings, type Settings } from "../../../sidecar/protocol";
import type { CursorContext } from "../../../sidecar/retrieval/retrieval";
import type { ScoredFragment } from "../../../sidecar/workspace/fragment";
import type { FragmentSource } from "../../../sidecar/workspace/fragment-source";
import { modelPath } from "../../model";
import { scriptedBackbone } from "./scripted-backbone";

let model: ModelPackage;
let tokenizer: Tokenizer;
let promptFormat: PromptFormat;
let real: Backbone;
const logged: string[] = [];

beforeAll(async () => {
  model = await loadModelPackage(modelPath);
  tokenizer = await Tokenizer.load(model);
  promptFormat = new PromptFormat(model, tokenizer);
  real = await createBackbone(model, { provider: "cpu", threads: 1 });
});
afterAll(() => real.dispose());

const context: CursorContext = {
  uri: "file:///w/web/cart.ts",
  path: "web/cart.ts",
  languageId: "typescript",
  prefix: "import { addMoney } from './money';\n\nexport function total(a: Money, b: Money): Money {\n  return ",
  suffix: "\n}\n",
};
const hits: ScoredFragment[] = ["money", "tax"].map((name, at) => ({
  fragment: { uri: `file:///w/web/${name}.ts`, path: `web/${name}.ts`, startLine: 4, endLine: 6, text: `export function ${name}Of(a: Money): Money {\n  return a;\n}` },
  score: 0.99 - at / 100,
}));
const source: FragmentSource = { fragmentCount: 2, revision: 1, vectorIndex: { name: "exact", reason: "test" }, search: (_, k) => hits.slice(0, k) };

const completer = (backbone: Backbone, from: () => FragmentSource | undefined = () => source) =>
  new Completer({ backbone, promptFormat, tokenizer, source: from, log: (line) => logged.push(line) });
const complete = (using: Completer, settings: Partial<Settings> = {}, signal?: AbortSignal, at = context) =>
  using.complete(at, { ...defaultSettings, ...settings }, { line: 3, character: 9 }, signal, performance.now());
/** A model that goes on with `text`, after the last token of the prefix, which it is made to say again. */
const saying = (text: string) => scriptedBackbone(model, { tokens: [...tokenizer.encode(context.prefix).slice(-1), ...tokenizer.encode(text)], last: tokenizer.tokenOf(model.specialTokens.endOfText) });

describe("with the real model", () => {
  it("says what happened and how long each part took", async () => {
    const trace = await complete(completer(real));
    expect(trace).toMatchObject({ uri: context.uri, languageId: "typescript", position: { line: 3, character: 9 }, provider: "cpu" });
    expect(trace.suggestion === "").toBe(trace.suppressed !== undefined);
    expect(["end-of-text", "end-of-statement", "end-of-block", "repetition", "token-limit"]).toContain(trace.stopReason);
    expect(trace.fragments.map((fragment) => fragment.path)).toEqual(model.prompt.fragmentOrder === "best-last" ? ["web/tax.ts", "web/money.ts"] : ["web/money.ts", "web/tax.ts"]);
    expect(trace.nothingRetrieved).toBeUndefined();
    expect(trace.generatedTokens).toBeGreaterThan(0);
    expect(trace.generatedTokens).toBeLessThanOrEqual(defaultSettings.maxTokens);
    expect(trace.promptTokens).toBeGreaterThan(trace.fragments.reduce((sum, fragment) => sum + fragment.tokens, 0));
    const { totalMs, ...parts } = trace.timings;
    expect(Object.values(parts).every((part) => part >= 0)).toBe(true);
    expect(parts.prefillMs).toBeGreaterThan(0);
    expect(Object.values(parts).reduce((sum, part) => sum + part, 0)).toBeLessThanOrEqual(totalMs);
  });

  it("says the same twice", async () => {
    const twice = [await complete(completer(real)), await complete(completer(real))];
    expect(twice[0]?.suggestion).toBe(twice[1]?.suggestion);
    expect(twice[0]?.generatedTokens).toBe(twice[1]?.generatedTokens);
  });

  it("without retrieval says exactly what the bare backbone says", async () => {
    const withAdapter = await complete(completer(real, () => undefined));
    const bare = await complete(completer(real), { retrieval: false });
    expect(withAdapter.suggestion).toBe(bare.suggestion);
    expect(withAdapter.promptTokens).toBe(bare.promptTokens);
  });

  it.each([
    ["an empty document", { prefix: "", suffix: "" }],
    ["white space", { prefix: "  \n\n", suffix: "\n " }],
    ["half a surrogate pair", { prefix: "const a = '\ud83d", suffix: "'" }],
    ["a line of a megabyte", { prefix: "x = ".repeat(250_000), suffix: "y(".repeat(500_000) }],
    ["special tokens in the text", { prefix: "<|endoftext|><|fim_middle|> const a = ", suffix: "<|fragment|>" }],
    ["a language nobody knows", { languageId: "klingon" }],
  ])("survives %s", async (_, change) => {
    const trace = await complete(completer(real), { maxTokens: 8 }, undefined, { ...context, ...change });
    expect(trace.promptTokens).toBeGreaterThan(0);
    expect(trace.promptTokens + 8).toBeLessThanOrEqual(model.contextLength);
  });

  it("keeps within the context whatever the settings", async () => {
    const trace = await complete(completer(real), { maxTokens: 256, fragmentBudget: 8192, maxFragments: 16 }, undefined, { ...context, prefix: "value = compute(1)\n".repeat(2000) });
    expect(trace.promptTokens).toBeLessThanOrEqual(model.contextLength - 256);
  });

  it("is cancelled while it reads the prompt", async () => {
    const controller = new AbortController();
    const running = complete(completer(real), {}, controller.signal, { ...context, prefix: "value = compute(1)\n".repeat(2000) });
    setTimeout(() => controller.abort(), 5);
    expect(await running).toMatchObject({ stopReason: "cancelled", suggestion: "" });
  });
});

describe("the trace", () => {
  it("holds what the editor gets, filtered", async () => {
    const trace = await complete(completer(saying("addMoney(a, b);  \n}\n")));
    expect(trace).toMatchObject({ suggestion: "addMoney(a, b);", stopReason: "end-of-statement" });
    expect(trace.suppressed).toBeUndefined();
  });

  it("names the filter that rejected the suggestion", async () => {
    const trace = await complete(completer(saying("   ")));
    expect(trace).toMatchObject({ suggestion: "", suppressed: "empty: is empty", stopReason: "end-of-text" });
  });

  it("numbers completions", async () => {
    const one = completer(saying("a"));
    expect([(await complete(one)).id, (await complete(one)).id]).toEqual([1, 2]);
    expect(logged.at(-1)).toMatch(/^completion 2: /);
  });

  it.each<[string, Partial<Settings>, () => FragmentSource | undefined, string]>([
    ["retrieval is off", { retrieval: false }, () => source, "selfracg.retrieval is off"],
    ["no folder is open", {}, () => undefined, "no workspace folder is open"],
    ["the index is empty", {}, () => ({ ...source, fragmentCount: 0 }), "the index holds no fragment yet"],
    ["no fragment is wanted", { maxFragments: 0 }, () => source, "selfracg.maxFragments is 0"],
  ])("says that %s", async (_, settings, from, reason) => {
    const trace = await complete(completer(saying("a"), from), settings);
    expect(trace).toMatchObject({ nothingRetrieved: reason, fragments: [], timings: { expressMs: 0, searchMs: 0 } });
  });

  it("asks for the source anew each time", async () => {
    let now: FragmentSource | undefined;
    const one = completer(saying("a"), () => now);
    expect((await complete(one)).fragments).toHaveLength(0);
    now = source;
    expect((await complete(one)).fragments).toHaveLength(2);
  });

  it("names the fragments for which the prompt had no room", async () => {
    const long = Array.from({ length: 16 }, (_, at): ScoredFragment => ({
      fragment: { uri: `file:///w/f${at}.ts`, path: `f${at}.ts`, startLine: 1, endLine: 40, text: Array.from({ length: 40 }, (_, n) => `const value${at}x${n} = read${at}(${n});`).join("\n") },
      score: 0.9 - at / 100,
    }));
    const trace = await complete(completer(saying("a"), () => ({ ...source, fragmentCount: 16, search: () => long })), { maxFragments: 16, fragmentBudget: 8192, maxTokens: 256 });
    expect(trace.fragments.length).toBeGreaterThan(2);
    expect(trace.fragments.length + trace.dropped.length).toBe(16);
    expect(trace.dropped[0]?.reason).toMatch(/^no room beside the code in a prompt of \d+ tokens$/);
  });

  it("counts the time since the request arrived", async () => {
    const arrivedAt = performance.now() - 1000;
    const trace = await completer(saying("a")).complete(context, defaultSettings, { line: 0, character: 0 }, undefined, arrivedAt);
    expect(trace.timings.totalMs).toBeGreaterThanOrEqual(1000);
  });
});

it("is cancelled before it begins", async () => {
  const backbone = saying("a");
  const trace = await complete(completer(backbone), {}, AbortSignal.abort());
  expect(trace).toMatchObject({ stopReason: "cancelled", suggestion: "", generatedTokens: 0 });
  expect(trace.suppressed).toMatch(/^cancelled/);
  expect(backbone.prompts).toEqual([]);
});

it("rejects when the backbone is broken", async () => {
  const broken = { ...saying("a"), prefill: () => Promise.reject(new Error("out of memory")) };
  await expect(complete(completer(broken))).rejects.toThrow("out of memory");
});

it("reads Windows line breaks as plain ones", async () => {
  const windows = { ...context, prefix: context.prefix.replaceAll("\n", "\r\n"), suffix: context.suffix.replaceAll("\n", "\r\n") };
  const backbone = saying("a");
  await complete(completer(backbone));
  await complete(completer(backbone), {}, undefined, windows);
  expect(backbone.prompts[1]).toEqual(backbone.prompts[0]);
});

it("searches without generating", async () => {
  const backbone = saying("a");
  const { selected } = await completer(backbone).search(context, defaultSettings);
  expect(selected.map(({ reference }) => reference.path)).toEqual(["web/money.ts", "web/tax.ts"]);
  expect(backbone.prompts).toEqual([]);
});
