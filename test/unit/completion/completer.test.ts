// Completions from end to end over the real model, and the trace they leave.
import { describe, expect, it } from "vitest";
import { defaultSettings, type Settings } from "../../../sidecar/protocol";
import type { ScoredFragment } from "../../../sidecar/workspace/fragment";
import type { FragmentSource } from "../../../sidecar/workspace/fragment-source";
import { complete, completer, context, logged, model, real, saying, source } from "./real-completer";

describe("a completion of the real model", () => {
  it("has a trace with what happened and the time of each part", async () => {
    const trace = await complete(completer(real));
    expect(trace).toMatchObject({
      uri: context.uri,
      languageId: "typescript",
      position: { line: 3, character: 9 },
      provider: "cpu",
    });
    expect(trace.suggestion === "").toBe(trace.suppressed !== undefined);
    expect(["end-of-text", "end-of-statement", "end-of-block", "repetition", "token-limit"]).toContain(
      trace.stopReason,
    );
    expect(trace.fragments.map((fragment) => fragment.path)).toEqual(
      model.prompt.fragmentOrder === "best-last" ? ["web/tax.ts", "web/money.ts"] : ["web/money.ts", "web/tax.ts"],
    );
    expect(trace.nothingRetrieved).toBeUndefined();
    expect(trace.generatedTokens).toBeGreaterThan(0);
    expect(trace.generatedTokens).toBeLessThanOrEqual(defaultSettings.maxTokens);
    expect(trace.promptTokens).toBeGreaterThan(trace.fragments.reduce((sum, fragment) => sum + fragment.tokens, 0));
    const { totalMs, ...parts } = trace.timings;
    expect(Object.values(parts).every((part) => part >= 0)).toBe(true);
    expect(parts.prefillMs).toBeGreaterThan(0);
    expect(Object.values(parts).reduce((sum, part) => sum + part, 0)).toBeLessThanOrEqual(totalMs);
  });

  it("is the same when it is asked for again", async () => {
    const twice = [await complete(completer(real)), await complete(completer(real))];
    expect(twice[0]?.suggestion).toBe(twice[1]?.suggestion);
    expect(twice[0]?.generatedTokens).toBe(twice[1]?.generatedTokens);
  });

  it("is the same with retrieval off as without an index", async () => {
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
  ])("works in %s", async (_, change) => {
    const trace = await complete(completer(real), { maxTokens: 8 }, undefined, { ...context, ...change });
    expect(trace.promptTokens).toBeGreaterThan(0);
    expect(trace.promptTokens + 8).toBeLessThanOrEqual(model.contextLength);
  });

  it("stays within the model's context with the largest settings", async () => {
    const trace = await complete(
      completer(real),
      { maxTokens: 256, fragmentBudget: 8192, maxFragments: 16 },
      undefined,
      { ...context, prefix: "value = compute(1)\n".repeat(2000) },
    );
    expect(trace.promptTokens).toBeLessThanOrEqual(model.contextLength - 256);
  });

  it("is cancelled while the prompt is read", async () => {
    const controller = new AbortController();
    const running = complete(completer(real), {}, controller.signal, {
      ...context,
      prefix: "value = compute(1)\n".repeat(2000),
    });
    setTimeout(() => controller.abort(), 5);
    expect(await running).toMatchObject({ stopReason: "cancelled", suggestion: "" });
  });
});

describe("the trace of a completion", () => {
  it("holds the filtered suggestion", async () => {
    const trace = await complete(completer(saying("addMoney(a, b);  \n}\n")));
    expect(trace).toMatchObject({ suggestion: "addMoney(a, b);", stopReason: "end-of-statement" });
    expect(trace.suppressed).toBeUndefined();
  });

  it("names the filter that rejects the suggestion", async () => {
    const trace = await complete(completer(saying("   ")));
    expect(trace).toMatchObject({ suggestion: "", suppressed: "empty: is empty", stopReason: "end-of-text" });
  });

  it("has an id that rises by one", async () => {
    const one = completer(saying("a"));
    expect([(await complete(one)).id, (await complete(one)).id]).toEqual([1, 2]);
    expect(logged.at(-1)).toMatch(/^completion 2: /);
  });

  it.each<[string, Partial<Settings>, () => FragmentSource | undefined, string]>([
    ["retrieval is off", { retrieval: false }, () => source, "selfracg.retrieval is off"],
    ["no folder is open", {}, () => undefined, "no workspace folder is open"],
    ["the index is empty", {}, () => ({ ...source, fragmentCount: 0 }), "the index holds no fragment yet"],
    ["no fragment is wanted", { maxFragments: 0 }, () => source, "selfracg.maxFragments is 0"],
  ])("has the reason where %s", async (_, settings, from, reason) => {
    const trace = await complete(completer(saying("a"), from), settings);
    expect(trace).toMatchObject({ nothingRetrieved: reason, fragments: [], timings: { expressMs: 0, searchMs: 0 } });
  });

  it("has fragments as soon as there is an index", async () => {
    let now: FragmentSource | undefined;
    const one = completer(saying("a"), () => now);
    expect((await complete(one)).fragments).toHaveLength(0);
    now = source;
    expect((await complete(one)).fragments).toHaveLength(2);
  });

  it("names the fragments that do not fit in the prompt", async () => {
    const long = Array.from(
      { length: 16 },
      (_, at): ScoredFragment => ({
        fragment: {
          uri: `file:///w/f${at}.ts`,
          path: `f${at}.ts`,
          startLine: 1,
          endLine: 40,
          text: Array.from({ length: 40 }, (_, n) => `const value${at}x${n} = read${at}(${n});`).join("\n"),
        },
        score: 0.9 - at / 100,
      }),
    );
    const trace = await complete(
      completer(saying("a"), () => ({ ...source, fragmentCount: 16, search: () => long })),
      { maxFragments: 16, fragmentBudget: 8192, maxTokens: 256 },
    );
    expect(trace.fragments.length).toBeGreaterThan(2);
    expect(trace.fragments.length + trace.dropped.length).toBe(16);
    expect(trace.dropped[0]?.reason).toMatch(/^no room beside the code in a prompt of \d+ tokens$/);
  });

  it("has the time since the request arrived", async () => {
    const arrivedAt = performance.now() - 1000;
    const trace = await completer(saying("a")).complete(
      context,
      defaultSettings,
      { line: 0, character: 0 },
      undefined,
      arrivedAt,
    );
    expect(trace.timings.totalMs).toBeGreaterThanOrEqual(1000);
  });
});

it("a completion is cancelled before it begins", async () => {
  const backbone = saying("a");
  const trace = await complete(completer(backbone), {}, AbortSignal.abort());
  expect(trace).toMatchObject({ stopReason: "cancelled", suggestion: "", generatedTokens: 0 });
  expect(trace.suppressed).toMatch(/^cancelled/);
  expect(backbone.prompts).toEqual([]);
});

it("a completion rejects when the backbone fails", async () => {
  const broken = { ...saying("a"), prefill: () => Promise.reject(new Error("out of memory")) };
  await expect(complete(completer(broken))).rejects.toThrow("out of memory");
});

it("a search by code treats all line breaks alike", async () => {
  const backbone = saying("a");
  for (const text of [
    "const a = 1;\nconst b = 2;\n",
    "const a = 1;\r\nconst b = 2;\r\n",
    "const a = 1;\rconst b = 2;\r",
  ])
    await completer(backbone).searchCode(text, context, defaultSettings, 5);
  expect(backbone.expressed[1]).toEqual(backbone.expressed[0]);
  expect(backbone.expressed[2]).toEqual(backbone.expressed[0]);
});

it("a search generates nothing", async () => {
  const backbone = saying("a");
  const { selected } = await completer(backbone).search(context, defaultSettings);
  expect(selected.map(({ reference }) => reference.path)).toEqual(["web/money.ts", "web/tax.ts"]);
  expect(backbone.prompts).toEqual([]);
});
