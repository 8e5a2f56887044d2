// Logistic regression on examples with known results.
import { describe, expect, it } from "vitest";
import { brier, calibrationError, fitLogistic, logistic } from "../../bench/logistic";
import { random } from "../completion/random";

describe("the fit", () => {
  it("is the logarithm of the odds for a constant alone", () => {
    const examples = Array.from({ length: 100 }, (_, at) => ({ x: [1], y: at < 20 ? (1 as const) : (0 as const) }));
    expect(fitLogistic(examples)[0]).toBeCloseTo(Math.log(20 / 80), 3);
  });

  it("recovers the weights that the examples were drawn with", () => {
    const next = random(3);
    const weights = [-1, 2, -0.5];
    const examples = Array.from({ length: 20_000 }, () => {
      const x = [1, 2 * next() - 1, 4 * next()];
      return {
        x,
        y:
          next() < logistic(x.reduce((sum, value, at) => sum + value * (weights[at] ?? 0), 0))
            ? (1 as const)
            : (0 as const),
      };
    });
    for (const [at, weight] of fitLogistic(examples).entries())
      expect(Math.abs(weight - (weights[at] ?? 0))).toBeLessThan(0.15);
  });

  it("stays finite for separable examples", () => {
    const fitted = fitLogistic(
      [-2, -1, 1, 2].map((value) => ({ x: [1, value], y: value > 0 ? (1 as const) : (0 as const) })),
    );
    expect(fitted.every(Number.isFinite)).toBe(true);
  });

  it("throws without examples", () => {
    expect(() => fitLogistic([])).toThrow(/expected examples/);
  });
});

it("Brier score and calibration error compare probabilities with outcomes", () => {
  const predictions = [0.1, 0.1, 0.1, 0.1, 0.1, 0.9, 0.9, 0.9, 0.9, 0.9].map((probability, at) => ({
    probability,
    right: at === 0 || at >= 6,
  }));
  expect(brier(predictions)).toBeCloseTo((4 * 0.01 + 0.81 + 0.81 + 4 * 0.01) / 10, 6);
  expect(calibrationError(predictions, 2)).toBeCloseTo((0.1 + 0.1) / 2, 6);
});
