// The sections of the inspector: list, prompt, need, comparison, search, counts.

import { describe, expect, it } from "vitest";
import { renderComparison } from "../../../../extension/inspector/sections/comparison";
import { renderConfidence } from "../../../../extension/inspector/sections/confidence";
import { renderCounts } from "../../../../extension/inspector/sections/counts";
import { renderFound, renderFragments } from "../../../../extension/inspector/sections/fragments";
import { renderList } from "../../../../extension/inspector/sections/list";
import { renderNeed, weightsOf } from "../../../../extension/inspector/sections/need";
import { renderPrompt } from "../../../../extension/inspector/sections/prompt";
import type { Comparison, FragmentReference, InspectedPrompt, NeedWeights } from "../../../../sidecar/protocol";
import { text, trace } from "./fixtures";

const noRule = ({ path }: FragmentReference) => ({ name: path });

describe("the list of suggestions", () => {
  const traces = [
    { trace: { ...trace, id: 9, suggestion: "", suppressed: "empty: is <empty>" }, file: "src/a.py", time: "14:03:22" },
    { trace: { ...trace, id: 8, suggestion: "  first()\nsecond()", cached: true }, file: "src/basket.py" },
  ];

  it("has a line for each suggestion, newest first, with its outcome", () => {
    const html = renderList({ traces, shown: 8, following: false });
    const options = [
      ...html.matchAll(/<li role="option" id="(trace-\d+)"[^>]*aria-selected="(\w+)"[^>]*>(.*?)<\/li>/gs),
    ].map(([, id, selected, content]) => [id, selected, text(content ?? "")]);
    expect(options).toEqual([
      ["trace-9", "false", "nothing: empty: is &lt;empty&gt; a.py:12 · not shown · 100 ms · 2 fragments · 14:03:22"],
      ["trace-8", "true", "first() basket.py:12 · shown, from the cache · 100 ms · 2 fragments"],
    ]);
    expect(html).toContain('role="listbox" tabindex="0" aria-labelledby="list-label" aria-activedescendant="trace-8"');
    expect(html).toContain('data-do="follow" aria-pressed="false"');
  });

  it("marks no line when no suggestion is shown", () => {
    const html = renderList({ traces: [], shown: undefined, following: true });
    expect(html).not.toContain("aria-activedescendant");
    expect(html).toContain('aria-pressed="true"');
  });
});

describe("the list of fragments", () => {
  const [tax, prices] = trace.fragments;
  const boosted = {
    ...trace,
    nullScore: 0.3,
    fragments: [{ ...(tax ?? trace.fragments[0]), boost: { by: 0.6, reason: "imported here" } }, prices].filter(
      (each) => each !== undefined,
    ) as typeof trace.fragments,
  };

  it("shows each score's distance from the null score, as a number and in the bar", () => {
    const html = renderFragments(boosted, noRule);
    expect([...html.matchAll(/class="mark" x="([^"]+)"/g)].map(([, x]) => x)).toEqual(["30.00%", "30.00%", "30.00%"]);
    expect(text(html)).toContain("0.750 0.450 above the null score · used: the model needs it");
    expect(text(html)).toContain("-0.500 0.800 below the null score · overlaps the visible text");
    expect(text(html)).toContain("Null score 0.300");
  });

  it("shows boosts, and sorts by the boosted score", () => {
    const html = renderFragments(boosted, noRule);
    expect([...html.matchAll(/data-open="(fragment:\d)"/g)].map(([, target]) => target)).toEqual([
      "fragment:0",
      "fragment:1",
    ]);
    expect(text(html)).toContain(
      "0.250 0.050 below the null score · boosted by 0.600: imported here · used: the model needs it",
    );
    expect(html).toContain('class="raised" y="1" width="85.00%"');
    expect(html.indexOf('class="raised"')).toBeLessThan(html.indexOf('class="fill"'));
  });

  it("shows for which suggestion reused fragments were fetched", () => {
    const reused = { since: 3, similarity: 0.9, reason: "the need has hardly moved" };
    expect(text(renderFragments({ ...boosted, reused }, noRule))).toContain(
      "fetched for suggestion 3 and reused since",
    );
    expect(text(renderFragments({ ...boosted, reused }, noRule))).toContain(
      "Reused from suggestion 3: the need has hardly moved (similarity 0.900).",
    );
    const reason = "the need moved (similarity 0.584), but nothing found is much better";
    expect(text(renderFragments({ ...boosted, reused: { ...reused, reason } }, noRule))).toContain(
      `Reused from suggestion 3: ${reason}.`,
    );
  });

  it("has a pressed button for a file that is pinned or banned", () => {
    const html = renderFragments(trace, ({ path }) => ({
      name: path,
      ...(path === "src/tax.py" ? { rule: "ban" } : path === "src/prices.py" ? { rule: "pin" } : {}),
    }));
    const buttons = [...html.matchAll(/data-rule="([^"]+)" aria-pressed="(\w+)" aria-label="([^"]+)"/g)].map(
      ([, rule, down, label]) => `${rule} ${down} ${label}`,
    );
    expect(buttons).toEqual([
      "pin:fragment:1 true Pinned src/prices.py",
      "ban:fragment:1 false Ban src/prices.py",
      "pin:fragment:0 false Pin src/tax.py",
      "ban:fragment:0 true Banned src/tax.py",
      "pin:dropped:0 false Pin src/basket.py",
      "ban:dropped:0 false Ban src/basket.py",
    ]);
  });

  it("shows readable file names", () => {
    const html = renderFragments(trace, ({ path }) => ({ name: `library/${path}` }));
    expect(text(html)).toContain("library/src/tax.py :4");
    expect(html).toContain('aria-label="Pin library/src/tax.py"');
  });

  it("shows the results of a search, and how many are above the null score", () => {
    const html = renderFound(trace.fragments, 0.5, noRule);
    expect([...html.matchAll(/data-open="(found:\d)"/g)].map(([, target]) => target)).toEqual(["found:0", "found:1"]);
    expect(text(html)).toContain(
      "2 fragments, best first. A cursor at the end of this code would need 1: null score 0.500.",
    );
    expect(text(renderFound(trace.fragments, 0.9, noRule))).toContain("would need none of them");
    expect(text(renderFound([], 0, noRule))).toBe("Nothing was found: nothing is indexed.");
  });
});

describe("the prompt", () => {
  const prompt: InspectedPrompt = {
    contextLength: 200,
    pieces: [
      { kind: "special", text: "<|fragment|>", tokens: 1, fragment: 0 },
      { kind: "path", text: "src/tax.py", tokens: 4, fragment: 0 },
      { kind: "special", text: "\n", tokens: 1, fragment: 0 },
      { kind: "fragment", text: "def tax(): ...", tokens: 14, fragment: 0 },
      { kind: "special", text: "<|path|>", tokens: 1 },
      { kind: "path", text: "src/basket.py", tokens: 4 },
      { kind: "prefix", text: "a = b < c\n", tokens: 50 },
      { kind: "suffix", text: "}", tokens: 5 },
    ],
  };

  it("shows tokens by kind beside the model's context length", () => {
    const html = renderPrompt(trace, { state: "answered", value: prompt });
    expect(text(html)).toContain(
      "80 tokens of the 200 that the model can read. Fragments 20 Code before the cursor 50 Code after the cursor 5 Path and marks 5",
    );
    const bars = [...html.matchAll(/<rect class="part-(\w+)" x="([\d.]+)%" width="([\d.]+)%"/g)].map(
      ([, id, x, width]) => [id, Number(x), Number(width)],
    );
    expect(bars).toEqual([
      ["fragments", 0, 10],
      ["prefix", 10, 25],
      ["suffix", 35, 2.5],
      ["marks", 37.5, 2.5],
    ]);
  });

  it("has a closed section for each fragment and shows every piece, special tokens too", () => {
    const html = renderPrompt(trace, { state: "answered", value: prompt });
    expect(html).toMatch(
      /<details id="prompt-fragment-0"[^>]*>\s*<summary>src\/tax\.py:4-4 <span class="sum">20 tokens<\/span><\/summary>/,
    );
    expect(html).toContain(
      '<span class="kind-special">&lt;|fragment|&gt;</span><span class="kind-path">src/tax.py</span><span class="kind-special">↵\n</span><span class="kind-fragment">def tax(): ...</span>',
    );
    expect(html).toContain('<span class="kind-prefix">a = b &lt; c\n</span><span class="kind-suffix">}</span>');
  });

  it.each([
    ["is requested", undefined, "Asking the sidecar …"],
    ["is loading", { state: "asked" } as const, "Asking the sidecar …"],
    [
      "is no longer remembered",
      { state: "answered", value: null } as const,
      "The sidecar no longer holds this suggestion: it holds the last 20 for which it read a prompt.",
    ],
    ["cannot be read", { state: "failed", reason: "no <sidecar>" } as const, "no &lt;sidecar&gt;."],
  ])("has a message when it %s", (_, answer, words) => {
    expect(text(renderPrompt(trace, answer))).toBe(words);
  });
});

describe("the need", () => {
  const need: NeedWeights = {
    tokens: [
      { text: "<|path|>" },
      { text: "a.py\n" },
      { text: "total", position: { line: 3, character: 0 } },
      { text: " =", position: { line: 3, character: 5 } },
      { text: "\n", position: { line: 3, character: 7 } },
    ],
    layers: [
      [0.5, 0.1, 0.4, 0, 0],
      [0.1, 0.1, 0.2, 0.2, 0.4],
    ],
  };
  const answer = { state: "answered", value: need } as const;

  it("is shown as the mean of the layers or for one layer", () => {
    expect(weightsOf(need.layers, "all", 5).map((weight) => weight.toFixed(2))).toEqual([
      "0.30",
      "0.10",
      "0.30",
      "0.10",
      "0.20",
    ]);
    expect(weightsOf(need.layers, 1, 5)).toEqual(need.layers[1]);
    expect(weightsOf(need.layers, 9, 5)).toEqual(weightsOf(need.layers, "all", 5));
  });

  it("has a background for each token by its weight relative to the heaviest in the code", () => {
    const html = renderNeed(answer, 0);
    expect(
      [...html.matchAll(/<span class="((?:outside )?w\d+)">([^<]*)<\/span>/g)].map(([, step, token]) => [step, token]),
    ).toEqual([
      ["outside w10", "&lt;|path|&gt;"],
      ["outside w5", "a.py\n"],
      ["w10", "total"],
      ["w0", " ="],
      ["w0", "\n"],
    ]);
    expect(text(html)).toContain("40.0 % of the weight lies on the code");
    expect(html).toContain('<option value="0" selected>Layer 1 of 2</option>');
  });

  it("has a table of the heaviest tokens, with visible white space", () => {
    const html = renderNeed(answer, 1);
    const rows = [...html.matchAll(/<tr><td>(.*?)<\/td><td>(.*?)<\/td><td class="number">(.*?)<\/td><\/tr>/g)].map(
      ([, token, place, weight]) => [text(token ?? ""), text(place ?? ""), weight],
    );
    expect(rows).toEqual([
      ["↵", "line 4", "40.0 %"],
      ["total", "line 4", "20.0 %"],
      ["·=", "line 4", "20.0 %"],
      ["&lt;|path|&gt;", "not in the code", "10.0 %"],
      ["a.py↵", "not in the code", "10.0 %"],
    ]);
    expect(html).toContain('data-open="token:2"');
  });

  it("has a message about what the package lacks", () => {
    expect(text(renderNeed({ state: "failed", reason: "the thread ended" }, "all"))).toBe("the thread ended.");
  });
});

describe("the comparison", () => {
  const comparison: Comparison = {
    withFragments: {
      suggestion: "price_of(item)",
      confidence: { meanLogProbability: -0.12, probability: 0.8, threshold: 0.35 },
    },
    withoutFragments: { suggestion: "", suppressed: "held back" },
    gained: 3.2,
  };

  it("is offered when the prompt has fragments", () => {
    expect(renderComparison(trace, undefined)).toContain('data-do="compare"');
    expect(renderComparison({ ...trace, fragments: [] }, undefined)).not.toContain("data-do");
  });

  it("shows both completions and the gain", () => {
    const read = text(renderComparison(trace, { state: "answered", value: comparison }));
    expect(read).toContain("With 2 fragments price_of(item) 80 % sure, shown from 35 %");
    expect(read).toContain("With no fragments Nothing: held back.");
    expect(read).toContain(
      "+3.20 log-probability gained: what was written is 25 times as likely with the fragments as without.",
    );
  });

  it.each([
    [-0.7, "−0.70 log-probability gained: what was written is 2.0 times as likely without the fragments as with them."],
    [0.0001, "0.00 log-probability gained: what was written is as likely without the fragments."],
    [42.04, "+42.04 log-probability gained: what was written is e^42.0 times as likely with the fragments as without."],
  ])("describes a gain of %d", (gained, words) => {
    expect(text(renderComparison(trace, { state: "answered", value: { ...comparison, gained } }))).toContain(words);
  });

  it("has a message when both are equal, and when nothing was generated", () => {
    const { gained: _, ...none } = comparison;
    const read = text(
      renderComparison(trace, { state: "answered", value: { ...none, withoutFragments: none.withFragments } }),
    );
    expect(read).toContain("Both suggest the same.");
    expect(read).not.toContain("gained");
  });

  it("cannot be requested twice at once", () => {
    expect(renderComparison(trace, { state: "asked" })).toMatch(
      /data-do="compare" aria-disabled="true"[\s\S]*aria-busy="true"/,
    );
  });
});

describe("confidence", () => {
  it("is shown beside the threshold", () => {
    const html = renderConfidence({ meanLogProbability: -0.456, probability: 0.62, threshold: 0.4 });
    expect(text(html)).toBe("62 % sure, shown from 40 % mean log-probability of a token −0.46");
    expect(html).toContain('class="fill" y="1" width="62.00%"');
    expect(html).toContain('class="mark" x="40.00%"');
    expect(renderConfidence(undefined)).toBe("");
    expect(text(renderConfidence({ meanLogProbability: -0.456 }))).toBe(
      "The model package has no calibration, so no suggestion is suppressed for being unsure. mean log-probability of a token −0.46",
    );
  });
});

describe("the counts", () => {
  const counts = {
    since: "2026-01-02T03:04:05.000Z",
    shown: 1200,
    accepted: 300,
    partlyAccepted: 60,
    typed: 120,
    rejected: 720,
    charactersTaken: 9876,
  };

  it("are numbers with their percentage of the shown suggestions", () => {
    const html = renderCounts({ state: "answered", value: counts });
    expect(text(html)).toContain("since 2026-01-02");
    expect(text(html)).toContain(
      "Shown 1,200 Accepted 300 25 % Partly accepted 60 5 % Typed along 120 10 % Rejected 720 60 % Characters taken, not typed 9,876",
    );
    expect(html).toContain('data-do="clear-counts"');
  });

  it("have no percentages when nothing was shown", () => {
    expect(
      text(
        renderCounts({
          state: "answered",
          value: { ...counts, shown: 0, accepted: 0, partlyAccepted: 0, typed: 0, rejected: 0 },
        }),
      ),
    ).not.toContain("%");
  });
});
