// The cache serves the same place, and typing along a suggestion, and nothing else.
import { describe, expect, it } from "vitest";
import { type CompletionTrace, defaultSettings } from "../../../sidecar/protocol";
import { type CacheQuery, CompletionCache, settingsKey } from "../../../sidecar/suggestions/completion-cache";
import { traceWith } from "../completion-trace";

const trace = (suggestion: string, id = 1): CompletionTrace => traceWith({ id, suggestion });

function at(prefix: string, suffix = "", change: Partial<CacheQuery> = {}): CacheQuery {
  return { uri: "u", prefix, suffix, key: "k", revision: 1, invoked: false, ...change };
}

function fragmentOf(uri: string): CompletionTrace["fragments"][number] {
  return { path: "f.py", uri, startLine: 1, endLine: 2, score: 0.5, tokens: 9 };
}

describe("CompletionCache", () => {
  it("has the suggestion at the same place", () => {
    const cache = new CompletionCache();
    cache.put(at("def a", "\n"), trace("dd(x)"));
    expect(cache.get(at("def a", "\n"))).toMatchObject({ suggestion: "dd(x)", typed: 0, replaces: 0 });
  });

  it("has the rest of a suggestion while it is typed", () => {
    const cache = new CompletionCache();
    cache.put(at("def a", "\n"), trace("dd(x)"));
    expect(cache.get(at("def add", "\n"))).toMatchObject({ suggestion: "(x)", typed: 2 });
    expect(cache.get(at("def add(x", "\n"))?.suggestion).toBe(")");
    expect(cache.get(at("def add(x)", "\n"))).toBeUndefined();
    expect(cache.get(at("def adx", "\n"))).toBeUndefined();
    expect(cache.get(at("def ", "\n"))).toBeUndefined();
  });

  it("has the suggestion again after deleting or undoing", () => {
    const cache = new CompletionCache();
    cache.put(at("x = "), trace("foo(1)", 1));
    cache.put(at("x = q"), trace("uux()", 2));
    expect(cache.get(at("x = "))).toMatchObject({ suggestion: "foo(1)", trace: { id: 1 } });
    expect(cache.get(at("x = foo(1"))).toMatchObject({ suggestion: ")" });
    expect(cache.get(at("x = f"))).toMatchObject({ suggestion: "oo(1)", trace: { id: 1 } });
    expect(cache.get(at("x = q"))).toMatchObject({ trace: { id: 2 } });
  });

  it.each([
    ["another document", at("def a", "\n", { uri: "v" })],
    ["another prefix of the same length", at("def b", "\n")],
    ["another suffix", at("def a", ")\n")],
    ["a change far before the cursor", at("deg add", "\n")],
    ["other settings or another model", at("def a", "\n", { key: "other" })],
  ])("has nothing for %s", (_, question) => {
    const cache = new CompletionCache();
    cache.put(at("def a", "\n"), trace("dd(x)"));
    expect(cache.get(question)).toBeUndefined();
  });

  it("has the answer that nothing is suggested, at the same place, except when the user asks", () => {
    const cache = new CompletionCache();
    cache.put(at("x"), trace(""));
    expect(cache.get(at("x"))?.suggestion).toBe("");
    expect(cache.get(at("xy"))).toBeUndefined();
    expect(cache.get(at("x", "", { invoked: true }))).toBeUndefined();
    cache.put(at("x", "", { invoked: true }), trace("", 2));
    expect(cache.get(at("x", "", { invoked: true }))?.suggestion).toBe("");
  });

  it("prefers the suggestion made nearest to the cursor", () => {
    const cache = new CompletionCache();
    cache.put(at("a"), trace("bcd", 1));
    cache.put(at("ab"), trace("cde", 2));
    expect(cache.get(at("abc"))).toMatchObject({ suggestion: "de", trace: { id: 2 } });
  });

  it("prefers the suggestion that is being typed to one made in advance", () => {
    const cache = new CompletionCache();
    cache.put(at("ab"), trace("cde", 2));
    cache.put(at("a"), trace("bcd", 1));
    expect(cache.get(at("abc"))).toMatchObject({ suggestion: "d", trace: { id: 1 } });
    const ready = new CompletionCache();
    ready.put(at("a"), trace("bcd", 1));
    ready.put(at("ab"), trace("cde", 2), false);
    expect(ready.get(at("abc"))).toMatchObject({ suggestion: "d", trace: { id: 1 } });
  });

  describe("with brackets and quotes that the editor closes", () => {
    const cache = new CompletionCache();
    cache.put(at("x = ", "\n"), trace("foo(a[0]): 'b'"));

    it.each([
      ["x = foo(", ")\n", "a[0]): 'b'", 1],
      ["x = foo(a[", "])\n", "0]): 'b'", 2],
      ["x = foo(a[0]", ")\n", "): 'b'", 1],
      ["x = foo(a[0])", "\n", ": 'b'", 0],
      ["x = foo(a[0]): '", "'\n", "b", 0],
    ])("goes on at %s║%s", (prefix, suffix, suggestion, replaces) => {
      expect(cache.get(at(prefix, suffix))).toMatchObject({ suggestion, replaces });
    });

    it.each([
      ["x = foo(", "]\n"],
      ["x = foo(", "))\n"],
      ["x = ", ")\n"],
    ])("misses at %s║%s", (prefix, suffix) => {
      expect(cache.get(at(prefix, suffix))).toBeUndefined();
    });
  });

  describe("when the index changes", () => {
    let now = 0;
    const filled = (): CompletionCache => {
      now = 0;
      const cache = new CompletionCache(64, () => now);
      cache.put(at("a"), { ...trace("bcd", 1), fragments: [fragmentOf("file:///f.py")] });
      cache.put(at("z"), trace("yx", 2));
      return cache;
    };

    it("has the suggestion that is shown, however long", () => {
      const cache = filled();
      now = 60_000;
      expect(cache.get(at("z", "", { revision: 2 }))?.suggestion).toBe("yx");
      expect(cache.get(at("zy", "", { revision: 3 }))?.suggestion).toBe("x");
      expect(cache.get(at("a", "", { revision: 3 }))).toBeUndefined();
    });

    it("has earlier suggestions for a while", () => {
      const cache = filled();
      now = 9000;
      expect(cache.get(at("a", "", { revision: 2 }))?.suggestion).toBe("bcd");
    });

    it("loses suggestions with a fragment of a changed file, except the one shown", () => {
      const cache = filled();
      cache.fileChanged("file:///f.py");
      expect(cache.get(at("a", "", { revision: 2 }))).toBeUndefined();
      const shown = filled();
      shown.get(at("a"));
      shown.fileChanged("file:///f.py");
      expect(shown.get(at("ab", "", { revision: 2 }))?.suggestion).toBe("cd");
    });
  });

  it("evicts the least recently used suggestion", () => {
    const cache = new CompletionCache(2);
    cache.put(at("1"), trace("a"));
    cache.put(at("2"), trace("b"));
    cache.get(at("1"));
    cache.put(at("3"), trace("c"));
    expect(cache.get(at("1"))?.suggestion).toBe("a");
    expect(cache.get(at("2"))).toBeUndefined();
    cache.clear();
    expect(cache.get(at("1"))).toBeUndefined();
  });
});

describe("settingsKey", () => {
  it.each([
    { maxTokens: 9 },
    { retrieval: false },
    { maxFragments: 1 },
    { fragmentBudget: 1 },
    { pinnedFiles: ["a"] },
    { bannedFiles: ["a"] },
    { quietIn: ["strings" as const] },
    { frequency: "more" as const },
  ])("differs with %j", (change) => {
    expect(settingsKey({ ...defaultSettings, ...change }, "m")).not.toBe(settingsKey(defaultSettings, "m"));
  });

  it("differs for another model, and not for other settings", () => {
    expect(settingsKey(defaultSettings, "m")).not.toBe(settingsKey(defaultSettings, "n"));
    expect(settingsKey({ ...defaultSettings, disabledLanguages: ["go"], pauseOnBattery: true }, "m")).toBe(
      settingsKey(defaultSettings, "m"),
    );
  });
});
