// A trace for a bug report, by default without code and file URIs.

import { describe, expect, it } from "vitest";
import { traceReport } from "../../../../extension/inspector/trace-report";
import type { CompletionTrace } from "../../../../sidecar/protocol";
import { status, trace } from "./fixtures";

/** A trace in which every field that may contain code or paths contains SECRET. */
const secret: CompletionTrace = {
  ...trace,
  uri: "file:///home/SECRET/basket.py",
  suggestion: "SECRET",
  confidence: { meanLogProbability: -0.4, probability: 0.6, threshold: 0.3 },
  nullScore: 0.3,
  fragments: trace.fragments.map((fragment) => ({
    ...fragment,
    uri: "file:///home/SECRET",
    scope: ["class SECRET"],
    boost: { by: 0.1, reason: "imported here" },
  })),
  dropped: trace.dropped.map((fragment) => ({ ...fragment, uri: "file:///home/SECRET", scope: ["class SECRET"] })),
};
const report = { version: "0.1.0", status, trace: secret, file: "src/basket.py" };
const prompt = { pieces: [{ kind: "prefix" as const, text: "SECRET PROMPT", tokens: 2 }], contextLength: 1024 };

describe("traceReport", () => {
  it("has all fields a maintainer needs, and no code", () => {
    const json = traceReport(report);
    expect(json).not.toContain("SECRET");
    expect(JSON.parse(json)).toMatchObject({
      selfracg: "0.1.0",
      model: { name: "selfracg-default" },
      provider: { name: "cpu" },
      index: { files: 9, fragments: 40 },
      trace: {
        id: 7,
        path: "src/basket.py",
        suggestionCharacters: 6,
        nullScore: 0.3,
        confidence: { probability: 0.6 },
        fragments: [
          { path: "src/tax.py", score: 0.25, tokens: 60, boost: { by: 0.1 } },
          { path: "src/prices.py", startLine: 3, endLine: 19 },
        ],
        dropped: [{ path: "src/basket.py", reason: "overlaps the visible text" }],
        timings: trace.timings,
        stopReason: "end-of-statement",
      },
    });
  });

  it("omits unknown members", () => {
    const later = {
      ...secret,
      draft: "SECRET",
      fragments: secret.fragments.map((fragment) => ({ ...fragment, text: "SECRET" })),
    };
    expect(traceReport({ ...report, trace: later })).not.toContain("SECRET");
  });

  it("has the code when that was requested", () => {
    expect(JSON.parse(traceReport(report, { prompt }))).toMatchObject({
      trace: {
        uri: "file:///home/SECRET/basket.py",
        suggestion: "SECRET",
        prompt: prompt.pieces,
        fragments: [{ scope: ["class SECRET"] }, {}],
      },
    });
    expect(JSON.parse(traceReport(report, { prompt: null })).trace).not.toHaveProperty("prompt");
  });
});
