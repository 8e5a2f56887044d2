// The confidence of a suggestion, and the evidence it is computed from.
import { resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Calibration,
  calibrationOf,
  confidenceIn,
  type Evidence,
  evidenceFor,
  statedConfidence,
  whyUnsure,
} from "../../../sidecar/completion/confidence";
import type { SyntaxTrees } from "../../../sidecar/completion/syntax/tree";
import { loadModelPackage } from "../../../sidecar/inference/package/model-package";
import { loadTrees, marked } from "./cursor-marks";

let trees: SyntaxTrees;
let shipped: Calibration;
beforeAll(async () => {
  const found = calibrationOf(
    await loadModelPackage(resolve(import.meta.dirname, "../../../models/default"), { verifyHashes: false }),
  );
  if (found === undefined) throw new Error("expected a confidence in the model.json that ships, found none");
  shipped = found;
  trees = await loadTrees();
});
afterAll(() => trees.dispose());

describe("the calibration of the packaged model", () => {
  const likely: Evidence = { meanLogProbability: -0.2, firstLineTokens: 4, isValid: true };
  const of = (change: Partial<Evidence>) => shipped.probability({ ...likely, ...change });

  it("is higher for likely tokens, for short lines, and without syntax errors", () => {
    expect(of({ meanLogProbability: -1 })).toBeLessThan(of({}));
    expect(of({ firstLineTokens: 20 })).toBeLessThan(of({}));
    expect(of({ isValid: false })).toBeLessThan(of({}));
    expect(of({ isValid: undefined })).toBe(of({}));
  });

  it("stays within 0 and 1", () => {
    for (const meanLogProbability of [0, -1, -100])
      for (const firstLineTokens of [0, 1, 1000])
        expect(Math.abs(of({ meanLogProbability, firstLineTokens }) - 0.5)).toBeLessThanOrEqual(0.5);
  });

  it("suppresses more with frequency fewer", () => {
    const { more, balanced, fewer } = shipped.thresholds;
    expect(more).toBeGreaterThan(0);
    expect(balanced).toBeGreaterThan(more);
    expect(fewer).toBeGreaterThan(balanced);
  });
});

describe("the calibration of a package", () => {
  const evidence: Evidence = { meanLogProbability: -0.5, firstLineTokens: 3, isValid: false };

  it("has the weights of the fit, to three decimals", () => {
    const thresholds = { more: 0.01, balanced: 0.02, fewer: 0.05 };
    const stated = statedConfidence([0.12345, 2, -1, -0.5], thresholds);
    expect(stated).toEqual({
      weights: { constant: 0.123, meanLogProbability: 2, logFirstLineTokens: -1, syntaxError: -0.5 },
      thresholds,
    });
    const probability = 1 / (1 + Math.exp(-(0.123 - 1 - Math.log(3) - 0.5)));
    expect(confidenceIn(evidence, "balanced", calibrationOf({ confidence: stated }))).toEqual({
      meanLogProbability: -0.5,
      probability: expect.closeTo(probability, 12),
      threshold: 0.02,
    });
  });

  it("suppresses nothing where the package states none", () => {
    const confidence = confidenceIn(evidence, "fewer", calibrationOf({}));
    expect(confidence).toEqual({ meanLogProbability: -0.5 });
    expect(whyUnsure(confidence, "fewer")).toBeUndefined();
  });
});

describe("the evidence for a suggestion", () => {
  /** Tokens of two characters each, with decreasing probabilities. */
  const textTokens = (text: string) =>
    Array.from({ length: Math.ceil(text.length / 2) }, (_, at) => ({ start: 2 * at, logProbability: -at }));
  const evidence = (document: string, text: string, suggestion: string) =>
    evidenceFor(
      suggestion,
      { text, textTokens: textTokens(text) },
      marked(document, "typescript", trees).context.cursor,
    );

  it("counts only the tokens that the filters left", () => {
    expect(evidence("const a = ║\n", "f(b);extra", "f(b);")).toEqual({
      meanLogProbability: -1,
      firstLineTokens: 3,
      isValid: true,
    });
    expect(evidence("const a = ║\n", "  f(b);", "f(b);")).toMatchObject({ firstLineTokens: 4 });
  });

  it("counts the tokens of the first line that is not blank", () => {
    expect(evidence("function f() {║\n}\n", "\n  a();\n  b();", "\n  a();\n  b();")).toEqual({
      meanLogProbability: -3,
      firstLineTokens: 4,
      isValid: true,
    });
  });

  it("tells whether the suggestion adds a syntax error", () => {
    expect(evidence("const a = ║;\n", "f(b c)", "f(b c)").isValid).toBe(false);
  });
});
