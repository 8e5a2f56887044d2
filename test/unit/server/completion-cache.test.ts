// The cache serves the same place, and typing along a suggestion, and nothing else.
import { describe, expect, it } from "vitest";
import type { CompletionTrace } from "../../../sidecar/protocol";
import { CompletionCache } from "../../../sidecar/server/completion-cache";

function trace(suggestion: string, id = 1): CompletionTrace {
  return {
    id, uri: "file:///a.py", languageId: "python", position: { line: 0, character: 0 }, suggestion, stopReason: "end-of-statement",
    fragments: [], dropped: [], promptTokens: 1, generatedTokens: 1, decodeSteps: 0, provider: "cpu",
    timings: { totalMs: 1, waitMs: 0, expressMs: 0, searchMs: 0, selectMs: 0, prefillMs: 0, decodeMs: 0, filterMs: 0 },
  };
}

describe("CompletionCache", () => {
  it("gives the suggestion at the same place", () => {
    const cache = new CompletionCache();
    cache.put("u", "def a", "\n", trace("dd(x)"));
    expect(cache.get("u", "def a", "\n")).toMatchObject({ suggestion: "dd(x)" });
  });

  it("gives the rest while the suggestion is being typed, until all of it is", () => {
    const cache = new CompletionCache();
    cache.put("u", "def a", "\n", trace("dd(x)"));
    expect(cache.get("u", "def add", "\n")?.suggestion).toBe("(x)");
    expect(cache.get("u", "def add(x", "\n")?.suggestion).toBe(")");
    expect(cache.get("u", "def add(x)", "\n")).toBeUndefined();
    expect(cache.get("u", "def adx", "\n")).toBeUndefined();
    expect(cache.get("u", "def ", "\n")).toBeUndefined();
  });

  it.each([
    ["another document", "v", "def a", "\n"],
    ["another prefix of the same length", "u", "def b", "\n"],
    ["another suffix", "u", "def a", ")\n"],
    ["a change far before the cursor", "u", "deg add", "\n"],
  ])("misses for %s", (_, uri, prefix, suffix) => {
    const cache = new CompletionCache();
    cache.put("u", "def a", "\n", trace("dd(x)"));
    expect(cache.get(uri, prefix, suffix)).toBeUndefined();
  });

  it("remembers that there was nothing to suggest, at that very place only", () => {
    const cache = new CompletionCache();
    cache.put("u", "x", "", trace(""));
    expect(cache.get("u", "x", "")?.suggestion).toBe("");
    expect(cache.get("u", "xy", "")).toBeUndefined();
  });

  it("prefers the suggestion that saw more of what was typed", () => {
    const cache = new CompletionCache();
    cache.put("u", "a", "", trace("bcd", 1));
    cache.put("u", "ab", "", trace("cde", 2));
    expect(cache.get("u", "abc", "")).toMatchObject({ suggestion: "de", trace: { id: 2 } });
  });

  it("forgets the least recently used", () => {
    const cache = new CompletionCache(2);
    cache.put("u", "1", "", trace("a"));
    cache.put("u", "2", "", trace("b"));
    cache.get("u", "1", "");
    cache.put("u", "3", "", trace("c"));
    expect(cache.get("u", "1", "")?.suggestion).toBe("a");
    expect(cache.get("u", "2", "")).toBeUndefined();
    cache.clear();
    expect(cache.get("u", "1", "")).toBeUndefined();
  });
});
