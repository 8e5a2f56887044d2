// Quantised vectors are precise enough for searching.
import { expect, it } from "vitest";
import { type Quantized, quantized, steps } from "../../../../sidecar/workspace/vectors/quantized";

function floatsOf({ values, scale }: Quantized): Float32Array {
  return Float32Array.from(values, (value) => (value / steps) * scale);
}

it("changes a unit vector by a few millionths, whatever its signs", () => {
  const vector = Float32Array.from({ length: 24 }, (_, i) => Math.sin(i * 78.233) / Math.sqrt(12));
  const floats = floatsOf(quantized(vector));
  expect(Math.max(...vector.map((x, i) => Math.abs(x - (floats[i] ?? NaN))))).toBeLessThan(5e-6);
  expect(
    Math.max(...vector.map((x, i) => Math.abs(x + (floatsOf(quantized(vector.map((y) => -y)))[i] ?? NaN)))),
  ).toBeLessThan(5e-6);
});

it("gives the same when repeated, and keeps zeros and large numbers", () => {
  const once = quantized(Float32Array.of(0.3, -0.5, 0.1, 1e-9));
  expect(quantized(floatsOf(once))).toEqual(once);
  expect(floatsOf(quantized(new Float32Array(3)))).toEqual(new Float32Array(3));
  expect(floatsOf(quantized(Float32Array.of(2000, -1000))).map(Math.round)).toEqual(Float32Array.of(2000, -1000));
});
