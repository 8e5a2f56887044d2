// Logistic regression and the calibration of its probabilities.

export interface Example {
  readonly x: readonly number[];
  readonly y: 0 | 1;
}

/** A predicted probability and its outcome. */
export interface Prediction {
  readonly probability: number;
  readonly right: boolean;
}

/** L2 penalty, which keeps weights finite for separable examples. */
const ridge: number = 1e-3;
const rounds = 30;

/** Maximum likelihood weights (Newton's method), one per feature. @throws RangeError without examples */
export function fitLogistic(examples: readonly Example[]): number[] {
  const size = examples[0]?.x.length;
  if (size === undefined) throw new RangeError("expected examples to fit, found none: give more tasks");
  let weights = Array.from({ length: size }, () => 0);
  for (let round = 0; round < rounds; round++) {
    const gradient = weights.map((weight) => -ridge * weight);
    const curvature = weights.map((_, row) => weights.map((_, column): number => (row === column ? ridge : 0)));
    for (const example of examples) addTo(gradient, curvature, example, logistic(dot(weights, example.x)));
    const step = solve(curvature, gradient);
    weights = weights.map((weight, at) => weight + (step[at] ?? 0));
    if (Math.max(...step.map(Math.abs)) < 1e-9) break;
  }
  return weights;
}

/** Adds the contribution of an example with this probability to the gradient and the curvature of the likelihood. */
function addTo(gradient: number[], curvature: number[][], { x, y }: Example, probability: number): void {
  const spread = probability * (1 - probability);
  for (const [row, value] of x.entries()) {
    gradient[row] = (gradient[row] ?? 0) + (y - probability) * value;
    const line = curvature[row] ?? [];
    for (const [column, other] of x.entries()) line[column] = (line[column] ?? 0) + spread * value * other;
  }
}

export function logistic(value: number): number {
  return 1 / (1 + Math.exp(-value));
}

/** Mean squared difference of probabilities and outcomes; 0 is perfect. */
export function brier(predictions: readonly Prediction[]): number {
  return mean(predictions.map(({ probability, right }) => (probability - (right ? 1 : 0)) ** 2));
}

/** Expected calibration error over `bins` equally large bins: the difference of mean probability and share of right ones. */
export function calibrationError(predictions: readonly Prediction[], bins: number): number {
  const sorted = [...predictions].sort((a, b) => a.probability - b.probability);
  let sum = 0;
  for (let bin = 0; bin < bins; bin++) {
    const of = sorted.slice(Math.floor((bin * sorted.length) / bins), Math.floor(((bin + 1) * sorted.length) / bins));
    if (of.length === 0) continue;
    sum +=
      of.length *
      Math.abs(mean(of.map(({ probability }) => probability)) - mean(of.map(({ right }) => (right ? 1 : 0))));
  }
  return sum / Math.max(1, sorted.length);
}

/** Gaussian elimination with partial pivoting. */
function solve(matrix: readonly (readonly number[])[], right: readonly number[]): number[] {
  const rows = matrix.map((row, at) => [...row, right[at] ?? 0]);
  const size = rows.length;
  for (let column = 0; column < size; column++) {
    const pivot = pivotOf(rows, column);
    const [own, other] = [rows[column] ?? [], rows[pivot] ?? []];
    [rows[column], rows[pivot]] = [other, own];
    for (const [at, row] of rows.entries()) {
      if (at === column) continue;
      const factor = (row[column] ?? 0) / (other[column] ?? 1);
      for (let each = column; each <= size; each++) row[each] = (row[each] ?? 0) - factor * (other[each] ?? 0);
    }
  }
  return rows.map((row, at) => (row[size] ?? 0) / (row[at] ?? 1));
}

/** The row from `column` on with the largest magnitude in that column. */
function pivotOf(rows: readonly (readonly number[])[], column: number): number {
  const sizeAt = (row: number): number => Math.abs(rows[row]?.[column] ?? 0);
  let pivot = column;
  for (let row = column + 1; row < rows.length; row++) if (sizeAt(row) > sizeAt(pivot)) pivot = row;
  return pivot;
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
