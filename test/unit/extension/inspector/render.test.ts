// The inspector's HTML: everything there, everything escaped, nothing inline.

import { describe, expect, it } from "vitest";
import { escapeHtml, renderInspector, renderPage } from "../../../../extension/inspector/render";
import type { CompletionTrace, SidecarStatus } from "../../../../sidecar/protocol";

const status: SidecarStatus = {
  state: "ready",
  message: "Ready.",
  model: { name: "selfracg-default", version: "0.1.0" },
  provider: { name: "cpu", reason: "no CUDA library was found" },
  vectorIndex: { name: "exact", reason: "the addon could not load" },
  index: { files: 9, fragments: 40, embedded: 0, skipped: { binary: 2, ignored: 5, huge: 0 }, storeBytes: 2048 },
};

const trace: CompletionTrace = {
  id: 7,
  uri: "file:///w/src/basket.py",
  languageId: "python",
  position: { line: 11, character: 8 },
  suggestion: "return price_of(item)",
  stopReason: "end-of-statement",
  fragments: [
    { path: "src/tax.py", uri: "file:///w/src/tax.py", startLine: 4, endLine: 4, score: 0.25, tokens: 60 },
    { path: "src/prices.py", uri: "file:///w/src/prices.py", startLine: 3, endLine: 19, score: 0.75, tokens: 120, scope: ["class Price<T>", "def of(self)"] },
  ],
  dropped: [
    {
      path: "src/basket.py",
      uri: "file:///w/src/basket.py",
      startLine: 1,
      endLine: 20,
      score: -0.5,
      tokens: 80,
      reason: "overlaps the visible text",
    },
  ],
  promptTokens: 300,
  generatedTokens: 1,
  decodeSteps: 0,
  timings: { totalMs: 100, waitMs: 0, expressMs: 10, searchMs: 2.5, selectMs: 0, prefillMs: 40, decodeMs: 30, filterMs: 0.5 },
  provider: "cpu",
};

/** What a person reads, tags taken out. */
function text(html: string): string {
  return html.replace(/<[^>]+>/g, " ").replace(/\s+/g, " ");
}

describe("renderInspector with a trace", () => {
  const html = renderInspector({ status, trace, file: "src/basket.py" });

  it("shows the suggestion with its place, 1-based, as something to open", () => {
    expect(html).toContain("<code>return price_of(item)</code>");
    expect(html).toMatch(/data-open="cursor"[^>]*>src\/basket\.py:12:9</);
    expect(text(html)).toContain("300 prompt tokens · 1 token generated · ended at the end of the statement · on CPU");
  });

  it("says what a fragment is inside of", () => {
    expect(html.match(/<div class="scope">.*?<\/div>/g)).toEqual(['<div class="scope">in <code>class Price&lt;T&gt;</code> › <code>def of(self)</code></div>']);
  });

  it("says when the suggestion came from the cache", () => {
    expect(text(html)).not.toContain("from the cache");
    expect(text(renderInspector({ status, trace: { ...trace, cached: true } }))).toContain("taken from the cache this time");
  });

  it("says in how many steps the text came", () => {
    expect(text(renderInspector({ status, trace: { ...trace, generatedTokens: 12, decodeSteps: 4 } }))).toContain("12 tokens generated in 4 steps");
  });

  it.each([["with fragments", trace.fragments], ["without", []]])("says, %s, since when they are kept and why they were fetched", (_, fragments) => {
    expect(text(html)).not.toMatch(/Kept since|Fetched for/);
    const kept = { since: 5, similarity: 0.9126, reason: "the need has <hardly> moved" };
    expect(text(renderInspector({ status, trace: { ...trace, fragments, kept } }).replaceAll("&lt;", "‹"))).toContain("Kept since suggestion 5: the need has ‹hardly&gt; moved (similarity 0.913).");
    expect(text(renderInspector({ status, trace: { ...trace, fragments, fetched: "the index changed" } }))).toContain("Fetched for this suggestion: the index changed.");
  });

  it("lists fragments best first, each opening what the trace has under its number", () => {
    const targets = [...html.matchAll(/data-open="(fragment:\d)"[^>]*>([^<]+)/g)].map(([, target, path]) => [target, path]);
    expect(targets).toEqual([
      ["fragment:1", "src/prices.py"],
      ["fragment:0", "src/tax.py"],
    ]);
    expect(text(html)).toContain("src/prices.py :3-19 in class Price&lt;T&gt; › def of(self) 0.750 120");
    expect(text(html)).toContain("src/tax.py :4 0.250 60");
    expect(text(html)).toContain("Fragments in the prompt 2, 180 tokens");
  });

  it("draws a score as its share of the bar, and none below zero", () => {
    const widths = [...html.matchAll(/class="fill" width="([^"]+)"/g)].map(([, width]) => width);
    expect(widths).toEqual(["75.00%", "25.00%", "0.00%"]);
  });

  it("keeps what was left out, with reasons, in a closed section", () => {
    expect(html).toMatch(/<details id="dropped">\s*<summary>Candidates left out/);
    expect(text(html)).toContain("src/basket.py :1-20 -0.500 80 overlaps the visible text");
  });

  it("lays the parts of the time end to end, the unaccounted rest last", () => {
    const parts = [...html.matchAll(/<rect class="part-(\w+)" x="([\d.]+)%" width="([\d.]+)%"/g)].map(
      ([, id, x, width]) => ({ id, x: Number(x), width: Number(width) }),
    );
    expect(parts.map(({ id }) => id)).toEqual(["express", "search", "select", "prefill", "decode", "filter", "other"]);
    expect(parts.map(({ width }) => width)).toEqual([10, 2.5, 0, 40, 30, 0.5, 17]);
    let end = 0;
    for (const part of parts) {
      expect(part.x).toBeCloseTo(end, 1);
      end += part.width;
    }
    expect(text(html)).toContain("Time 100 ms");
    expect(text(html)).toContain("Other 17 ms");
  });

  it("says what the sidecar runs on and what the index holds", () => {
    const read = text(html);
    expect(read).toContain("CPU: no CUDA library was found");
    expect(read).toContain("exact: the addon could not load");
    expect(read).toContain("40 fragments of 9 files, 2.0 KB on disk");
    expect(read).toContain("binary 2, ignored 5");
    expect(read).not.toContain("huge");
  });

  it("stays within the bar when the parts are longer than the total, and when all is zero", () => {
    for (const totalMs of [0, 20]) {
      const timings = { totalMs, waitMs: 0, expressMs: totalMs, searchMs: 0, selectMs: 0, prefillMs: totalMs, decodeMs: 0, filterMs: 0 };
      const drawn = renderInspector({ status, trace: { ...trace, timings } });
      const widths = [...drawn.matchAll(/x="[\d.]+%" width="([^"]+)%"/g)].map(([, width]) => Number(width));
      expect(widths).toHaveLength(7);
      expect(widths.reduce((sum, width) => sum + width, 0)).toBeCloseTo(totalMs === 0 ? 0 : 100, 1);
    }
  });
});

describe("renderInspector without a suggestion", () => {
  it("says why nothing was suggested and why nothing was retrieved", () => {
    const html = renderInspector({
      status,
      trace: { ...trace, suggestion: "", suppressed: "it repeats the next line", fragments: [], nothingRetrieved: "The index is empty." },
    });
    expect(text(html)).toContain("Nothing was suggested: it repeats the next line.");
    expect(text(html)).toContain("The index is empty. ");
    expect(html).not.toContain("<pre");
    expect(html).not.toContain('data-open="fragment');
  });

  it.each([
    ["ready", "Type in a file", []],
    ["starting", "is starting", []],
    ["indexing", "being indexed", []],
    ["off", "Suggestions are off", ["toggle"]],
    ["error", "model.onnx is missing", ["restart", "log"]],
  ] as const)("says what to do when the sidecar is %s", (state, advice, commands) => {
    const html = renderInspector({ status: { state, message: state === "error" ? "model.onnx is missing" : "-" } });
    expect(text(html)).toContain("No suggestion yet");
    expect(text(html)).toContain(advice);
    const empty = html.slice(0, html.indexOf("</section>"));
    expect([...empty.matchAll(/data-command="(\w+)"/g)].map(([, command]) => command)).toEqual(commands);
  });
});

describe("safety", () => {
  const evil = `"><img src=x onerror='alert(1)'>&amp;<script>`;

  it("escapes every text that comes from outside", () => {
    const fragment = { path: evil, uri: evil, startLine: 1, endLine: 2, score: 0.5, tokens: 1 };
    const html = renderInspector({
      status: {
        state: "error",
        message: evil,
        model: { name: evil, version: evil },
        provider: { name: "cpu", reason: evil },
        vectorIndex: { name: "exact", reason: evil },
        index: { files: 1, fragments: 1, embedded: 1, skipped: { [evil]: 1 }, storeBytes: 1 },
      },
      trace: {
        ...trace,
        uri: evil,
        suggestion: evil,
        fragments: [fragment],
        dropped: [{ ...fragment, reason: evil }],
      },
      file: evil,
    });
    expect(html).not.toMatch(/<img|<script|onerror='/);
    const none = renderInspector({ status, trace: { ...trace, suggestion: "", suppressed: evil, fragments: [], nothingRetrieved: evil } });
    expect(none).not.toMatch(/<img|<script|onerror='/);
    // As many times as it went in: path, title and so on all hold it escaped.
    expect(html.split(escapeHtml(evil)).length - 1).toBeGreaterThanOrEqual(12);
  });

  it("escapes the five characters of HTML, once", () => {
    expect(escapeHtml(`&<>"'`)).toBe("&amp;&lt;&gt;&quot;&#39;");
    expect(escapeHtml("&amp;")).toBe("&amp;amp;");
  });

  it("has no inline style or handler, which the policy would forbid", () => {
    const html = renderInspector({ status, trace });
    expect(html).not.toMatch(/\sstyle=|\son\w+=|<style|<script/);
  });

  it("allows scripts by nonce only, styles from the extension only, and nothing else", () => {
    const page = renderPage({ nonce: "abc", resourceSource: "https://own", styleUri: "s.css", scriptUri: "i.js", body: "B" });
    expect(page).toContain("default-src &#39;none&#39;; style-src https://own; script-src &#39;nonce-abc&#39;");
    expect(page).toContain('<script nonce="abc" src="i.js">');
    expect(page).toContain("<main id=\"inspector\">B</main>");
  });
});
