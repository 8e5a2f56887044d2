// What makes a suggestion likely, and what is read off one.
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Evidence, evidenceFor, measured } from "../../../sidecar/completion/confidence";
import type { SyntaxTrees } from "../../../sidecar/completion/syntax-tree";
import { loadTrees, marked } from "./cursor-marks";

let trees: SyntaxTrees;
beforeAll(async () => {
  trees = await loadTrees();
});
afterAll(() => trees.dispose());

describe("the map", () => {
  const likely: Evidence = { meanLogProbability: -0.2, firstLineTokens: 4, agrees: true };
  const of = (change: Partial<Evidence>) => measured.probability({ ...likely, ...change });

  it("gives more to what the model is surer of, to short lines, and to what is no syntax error", () => {
    expect(of({ meanLogProbability: -1 })).toBeLessThan(of({}));
    expect(of({ firstLineTokens: 20 })).toBeLessThan(of({}));
    expect(of({ agrees: false })).toBeLessThan(of({}));
    expect(of({ agrees: undefined })).toBe(of({}));
  });

  it("stays within 0 and 1", () => {
    for (const meanLogProbability of [0, -1, -100]) for (const firstLineTokens of [0, 1, 1000]) expect(Math.abs(of({ meanLogProbability, firstLineTokens }) - 0.5)).toBeLessThanOrEqual(0.5);
  });

  it("holds back more with fewer", () => {
    const { more, balanced, fewer } = measured.thresholds;
    expect(more).toBeGreaterThan(0);
    expect(balanced).toBeGreaterThan(more);
    expect(fewer).toBeGreaterThan(balanced);
  });
});

describe("the evidence", () => {
  /** Tokens of two characters each, the later the less likely. */
  const spelt = (text: string) => Array.from({ length: Math.ceil(text.length / 2) }, (_, at) => ({ start: 2 * at, logProbability: -at }));
  const evidence = (document: string, text: string, suggestion: string) => evidenceFor(suggestion, { text, spelt: spelt(text) }, marked(document, "typescript", trees).context.cursor);

  it("is that of the tokens that are left", () => {
    expect(evidence("const a = ║\n", "f(b);extra", "f(b);")).toEqual({ meanLogProbability: -1, firstLineTokens: 3, agrees: true });
    expect(evidence("const a = ║\n", "  f(b);", "f(b);")).toMatchObject({ firstLineTokens: 4 });
  });

  it("counts the first line that says something", () => {
    expect(evidence("function f() {║\n}\n", "\n  a();\n  b();", "\n  a();\n  b();")).toEqual({ meanLogProbability: -3, firstLineTokens: 4, agrees: true });
  });

  it("says where the syntax objects", () => {
    expect(evidence("const a = ║;\n", "f(b c)", "f(b c)").agrees).toBe(false);
  });
});
