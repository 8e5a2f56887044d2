// A status and a trace as the sidecar sends them, for the tests of the inspector.

import type { CompletionTrace, SidecarStatus } from "../../../../sidecar/protocol";

export const status: SidecarStatus = {
  state: "ready",
  message: "Ready.",
  model: { name: "selfracg-default", version: "0.1.0" },
  provider: { name: "cpu", reason: "no CUDA library was found" },
  vectorIndex: { name: "flat", reason: "the addon could not load" },
  index: { files: 9, fragments: 40, embedded: 0, excluded: { binary: 2, ignored: 5, huge: 0 }, storeBytes: 2048 },
};

export const trace: CompletionTrace = {
  id: 7,
  uri: "file:///w/src/basket.py",
  languageId: "python",
  position: { line: 11, character: 8 },
  suggestion: "return price_of(item)",
  stopReason: "end-of-statement",
  fragments: [
    { path: "src/tax.py", uri: "file:///w/src/tax.py", startLine: 4, endLine: 4, score: 0.25, tokens: 60 },
    {
      path: "src/prices.py",
      uri: "file:///w/src/prices.py",
      startLine: 3,
      endLine: 19,
      score: 0.75,
      tokens: 120,
      scope: ["class Price<T>", "def of(self)"],
    },
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
  timings: {
    totalMs: 100,
    waitMs: 5,
    expressMs: 10,
    searchMs: 2.5,
    selectMs: 0,
    prefillMs: 40,
    decodeMs: 30,
    filterMs: 0.5,
  },
  provider: "cpu",
};

/** The readable text without tags. */
export function text(html: string): string {
  return html
    .replace(/<[^>]+>/g, " ")
    .replace(/\s+/g, " ")
    .trim();
}
