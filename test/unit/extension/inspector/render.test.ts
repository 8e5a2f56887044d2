// The inspector's page: its contents, escaped texts, and no inline scripts or styles.

import { describe, expect, it } from "vitest";
import { escapeHtml } from "../../../../extension/inspector/html";
import { type InspectorModel, renderPage, renderParts } from "../../../../extension/inspector/render";
import type { CompletionTrace, SidecarStatus } from "../../../../sidecar/protocol";
import { status, text, trace } from "./fixtures";

/** The state with one suggestion, or none. */
function modelOf(shown: CompletionTrace | undefined, change: Partial<InspectorModel> = {}): InspectorModel {
  const file = "src/basket.py";
  return {
    status,
    list: { traces: shown === undefined ? [] : [{ trace: shown, file }], shown: shown?.id, following: true },
    ...(shown !== undefined && { shown: { trace: shown, file, answers: {} } }),
    layer: "all",
    found: undefined,
    counts: undefined,
    marksOf: ({ path }) => ({ name: path }),
    ...change,
  };
}

const partsOf = (shown: CompletionTrace | undefined, change?: Partial<InspectorModel>) =>
  renderParts(modelOf(shown, change));

describe("a suggestion", () => {
  const parts = partsOf(trace);

  it("is shown with its 1-based location as a link", () => {
    expect(parts.suggestion).toContain("<code>return price_of(item)</code>");
    expect(parts.suggestion).toMatch(/data-open="cursor"[^>]*>src\/basket\.py:12:9</);
    expect(text(parts.suggestion)).toContain(
      "300 prompt tokens · 1 token generated · ended at the end of the statement · on CPU",
    );
  });

  it("shows the scope of a fragment", () => {
    expect(parts.fragments.match(/<div class="scope">.*?<\/div>/g)).toEqual([
      '<div class="scope">in <code>class Price&lt;T&gt;</code> › <code>def of(self)</code></div>',
    ]);
  });

  it("is marked when it came from the cache", () => {
    expect(text(parts.suggestion)).not.toContain("from the cache");
    const cached = partsOf({ ...trace, cached: true });
    expect(text(cached.suggestion)).toContain("from the cache this time");
    expect(text(cached.time)).toContain("100 ms, of the request that made it");
  });

  it("shows in how many runs the text was decoded", () => {
    expect(text(partsOf({ ...trace, generatedTokens: 12, decodeSteps: 4 }).suggestion)).toContain(
      "12 tokens generated in 4 steps",
    );
  });

  it.each([
    ["with fragments", trace.fragments],
    ["without fragments", []],
  ])("shows since when fragments are reused and why they were fetched: %s", (_, fragments) => {
    expect(text(parts.fragments)).not.toMatch(/Kept since|Fetched for/);
    const reused = { since: 5, similarity: 0.9126, reason: "the need has <hardly> moved" };
    expect(text(partsOf({ ...trace, fragments, reused }).fragments.replaceAll("&lt;", "‹"))).toContain(
      "Reused from suggestion 5: the need has ‹hardly&gt; moved (similarity 0.913).",
    );
    expect(text(partsOf({ ...trace, fragments, fetched: "the index changed" }).fragments)).toContain(
      "Fetched for this suggestion: the index changed.",
    );
  });

  it("lists fragments best first, each as a link to its number in the trace", () => {
    const targets = [...parts.fragments.matchAll(/data-open="(fragment:\d)"[^>]*>([^<]+)/g)].map(([, target, path]) => [
      target,
      path,
    ]);
    expect(targets).toEqual([
      ["fragment:1", "src/prices.py"],
      ["fragment:0", "src/tax.py"],
    ]);
    expect(text(parts.fragments)).toContain(
      "src/prices.py :3-19 120 tokens 0.750 used: the model needs it in class Price&lt;T&gt; › def of(self)",
    );
    expect(text(parts.fragments)).toContain("src/tax.py :4 60 tokens 0.250");
    expect(text(parts.fragments)).toContain("Fragments in the prompt 2, 180 tokens");
  });

  it("shows a score as a part of the bar, and an empty bar below zero", () => {
    const widths = [...parts.fragments.matchAll(/class="fill" y="1" width="([^"]+)"/g)].map(([, width]) => width);
    expect(widths).toEqual(["75.00%", "25.00%", "0.00%"]);
  });

  it("shows dropped candidates, with reasons, in a closed section", () => {
    expect(parts.fragments).toMatch(/<details id="dropped">\s*<summary>Candidates dropped/);
    expect(text(parts.fragments)).toContain("src/basket.py :1-20 80 tokens -0.500 overlaps the visible text");
  });

  it("shows the parts of the time in order, the remaining time last, each with its value", () => {
    const rows = [
      ...parts.time.matchAll(
        /<th scope="row">([^<]+)<\/th>.*?x="([\d.]+)%" width="([\d.]+)%".*?<td class="number">([^<]+)</g,
      ),
    ].map(([, name, x, width, ms]) => ({ name, x: Number(x), width: Number(width), ms }));
    expect(rows.map(({ name, ms }) => `${name} ${ms}`)).toEqual([
      "Waited for typing 5.0 ms",
      "Need expressed 10 ms",
      "Index searched 2.5 ms",
      "Fragments selected 0.0 ms",
      "Prompt read 40 ms",
      "Text generated 30 ms",
      "Filtered 0.5 ms",
      "Other 12 ms",
    ]);
    expect(rows.map(({ width }) => width)).toEqual([5, 10, 2.5, 0, 40, 30, 0.5, 12]);
    let end = 0;
    for (const row of rows) {
      expect(row.x).toBeCloseTo(end, 1);
      end += row.width;
    }
    expect(text(parts.time)).toContain("Time 100 ms");
  });

  it("shows the provider of the model and the contents of the index", () => {
    const read = text(parts.status);
    expect(read).toContain("CPU: no CUDA library was found");
    expect(read).toContain("flat: the addon could not load");
    expect(read).toContain("40 fragments of 9 files, 2.0 KB on disk");
    expect(read).toContain("binary 2, ignored 5");
    expect(read).not.toContain("huge");
  });

  it("shows a bar of at most full width when the parts exceed the total or are zero", () => {
    for (const totalMs of [0, 20]) {
      const timings = {
        totalMs,
        waitMs: 0,
        expressMs: totalMs,
        searchMs: 0,
        selectMs: 0,
        prefillMs: totalMs,
        decodeMs: 0,
        filterMs: 0,
      };
      const widths = [...partsOf({ ...trace, timings }).time.matchAll(/x="[\d.]+%" width="([^"]+)%"/g)].map(
        ([, width]) => Number(width),
      );
      expect(widths).toHaveLength(8);
      expect(widths.reduce((sum, width) => sum + width, 0)).toBeCloseTo(totalMs === 0 ? 0 : 100, 1);
    }
  });
});

describe("no suggestion", () => {
  it("has the reasons why nothing was suggested and nothing was retrieved", () => {
    const { suggestion, fragments, comparison } = partsOf({
      ...trace,
      suggestion: "",
      suppressed: "it repeats the next line",
      fragments: [],
      nothingRetrieved: "The index is empty.",
    });
    expect(text(suggestion)).toContain("Nothing was suggested: it repeats the next line.");
    expect(text(fragments)).toContain("The index is empty. ");
    expect(suggestion).not.toContain("<pre");
    expect(fragments).not.toContain('data-open="fragment');
    expect(text(comparison)).toContain("nothing to compare with");
  });

  it.each<[SidecarStatus["state"], string, string[]]>([
    ["ready", "Type in a file", []],
    ["starting", "is starting", []],
    ["indexing", "being indexed", []],
    ["snoozed", "are snoozed", []],
    ["off", "Suggestions are off", ["toggle"]],
    ["error", "error below", ["restart", "log"]],
  ])("says what to do when the sidecar is %s", (state, advice, commands) => {
    const message = "model.onnx is missing";
    const parts = partsOf(undefined, { status: { state, message } });
    expect(text(parts.suggestion)).toContain("No suggestion yet");
    expect(text(parts.suggestion)).toContain(advice);
    expect(text(parts.status)).toContain(message);
    expect([...parts.suggestion.matchAll(/data-command="(\w+)"/g)].map(([, command]) => command)).toEqual(commands);
  });
});

describe("the page", () => {
  const evil = `"><img src=x onerror='alert(1)'>&amp;<script>`;
  const fragment = {
    path: evil,
    uri: evil,
    startLine: 1,
    endLine: 2,
    score: 0.5,
    tokens: 1,
    scope: [evil],
    boost: { by: 1, reason: evil },
  };
  const hostile: CompletionTrace = {
    ...trace,
    uri: evil,
    suggestion: evil,
    fragments: [fragment],
    dropped: [{ ...fragment, reason: evil }],
    fetched: evil,
  };
  const evilStatus: SidecarStatus = {
    state: "error",
    message: evil,
    model: { name: evil, version: evil },
    provider: { name: "cpu", reason: evil },
    vectorIndex: { name: "flat", reason: evil },
    index: { files: 1, fragments: 1, embedded: 1, excluded: { [evil]: 1 }, storeBytes: 1 },
  };
  const answers = {
    prompt: {
      state: "answered",
      value: {
        pieces: [
          { kind: "prefix", text: evil, tokens: 1 },
          { kind: "fragment", text: evil, tokens: 1, fragment: 0 },
        ],
        contextLength: 9,
      },
    },
    need: { state: "answered", value: { tokens: [{ text: evil }], layers: [[1]] } },
    comparison: {
      state: "answered",
      value: { withFragments: { suggestion: evil }, withoutFragments: { suggestion: "", suppressed: evil } },
    },
  } as const;
  const parts = renderParts({
    status: evilStatus,
    list: { traces: [{ trace: hostile, file: evil, time: evil }], shown: hostile.id, following: true },
    shown: {
      trace: hostile,
      file: evil,
      answers: {
        ...answers,
        prompt: { ...answers.prompt, value: { ...answers.prompt.value, pieces: [...answers.prompt.value.pieces] } },
        need: { state: "answered", value: { tokens: [...answers.need.value.tokens], layers: [[1]] } },
      },
    },
    layer: "all",
    found: { state: "failed", reason: evil },
    counts: {
      state: "answered",
      value: { since: evil, shown: 1, accepted: 1, partlyAccepted: 0, typed: 0, rejected: 0, charactersTaken: 1 },
    },
    marksOf: ({ path }) => ({ name: path, rule: "pin" }),
  });

  it.each(Object.entries(parts))("escapes every external text in %s", (_, html) => {
    expect(html).not.toMatch(/<img|<script|onerror='/);
  });

  it("shows these texts escaped", () => {
    for (const part of [
      "list",
      "suggestion",
      "fragments",
      "comparison",
      "prompt",
      "need",
      "found",
      "counts",
      "status",
    ] as const) {
      // The list cuts at the first line break, which this text does not have.
      expect(parts[part], part).toContain(escapeHtml(evil).slice(0, 20));
    }
    const none = partsOf({ ...trace, suggestion: "", suppressed: evil, fragments: [], nothingRetrieved: evil });
    expect(Object.values(none).join("")).not.toMatch(/<img|<script|onerror='/);
  });

  it("escapes the five special characters of HTML once", () => {
    expect(escapeHtml(`&<>"'`)).toBe("&amp;&lt;&gt;&quot;&#39;");
    expect(escapeHtml("&amp;")).toBe("&amp;amp;");
  });

  it("has no inline style or handler, which its content security policy forbids", () => {
    const page = renderPage({
      nonce: "abc",
      resourceSource: "https://own",
      styleUri: "s.css",
      scriptUri: "i.js",
      parts,
      empty: false,
    });
    expect(page).not.toMatch(/<[^>]*\s(style|on\w+)=(?!&)/);
    expect(page.match(/<style|<script/g)).toEqual(["<script"]);
  });

  it("allows only scripts with a nonce and styles of the extension", () => {
    const page = renderPage({
      nonce: "abc",
      resourceSource: "https://own",
      styleUri: "s.css",
      scriptUri: "i.js",
      parts: partsOf(undefined),
      empty: true,
    });
    expect(page).toContain("default-src &#39;none&#39;; style-src https://own; script-src &#39;nonce-abc&#39;");
    expect(page).toContain('<script nonce="abc" src="i.js">');
    expect(page).toContain('<main id="inspector" class="nothing-yet">');
  });

  it("has an element for each section, and unique ids", () => {
    const page = renderPage({
      nonce: "abc",
      resourceSource: "https://own",
      styleUri: "s.css",
      scriptUri: "i.js",
      parts: partsOf(trace),
      empty: false,
    });
    const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id ?? "");
    expect(new Set(ids).size).toBe(ids.length);
    for (const part of Object.keys(parts)) expect(ids).toContain(part);
  });
});
