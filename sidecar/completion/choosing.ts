// Greedy choice: the most likely token among those that may come, and how likely it is.

/** Whether a token may come next. */
export type Admits = (id: number) => boolean;

/**
 * The id of the highest value among those admitted; the lowest such id among equals. Asks only about ids that would win.
 * @throws RangeError where there is none.
 */
export function mostLikely(values: Float32Array, admits?: Admits): number {
  let best = -1;
  let highest = -Infinity;
  for (let id = 0; id < values.length; id++) {
    const value = values[id] ?? -Infinity;
    if ((value > highest || best < 0) && (admits === undefined || admits(id))) {
      highest = value;
      best = id;
    }
  }
  if (best < 0)
    throw new RangeError(
      `expected one of ${values.length} tokens that may come next, found none: the model graph gave no output, or the tokenizer lacks a token for every byte`,
    );
  return best;
}

/** Natural logarithm of the probability of `id` among the tokens admitted, to 0.0001: a softmax over `values`, their logits. */
export function logProbability(values: Float32Array, id: number, admits?: Admits): number {
  if (admits !== undefined) values = values.map((value, other) => (other === id || admits(other) ? value : -Infinity));
  return -Math.log(sumOfExponentials(values, values[id] ?? -Infinity));
}

/** Steps that the exponential is known at, in a unit, and the greatest distance from `e^0` that counts. */
const stepsInUnit = 64;
const furthest = 24;
const exponentials = Float64Array.from({ length: furthest * stepsInUnit + 1 }, (_, step) =>
  Math.exp(-step / stepsInUnit),
);

/**
 * The sum of `e^(value - base)`, within a share of 0.00004: a whole vocabulary of exponentials takes as long as a tenth of a run
 * of the model, so that values between two steps below `base` are taken off the straight line between them.
 */
export function sumOfExponentials(values: Float32Array, base: number): number {
  let sum = 0;
  for (let at = 0; at < values.length; at++) {
    const distance = base - (values[at] ?? -Infinity);
    if (distance >= furthest) continue;
    if (!(distance >= 0)) {
      sum += Math.exp(-distance);
      continue;
    }
    const steps = distance * stepsInUnit;
    const whole = Math.trunc(steps);
    const above = exponentials[whole] ?? 0;
    sum += above + (steps - whole) * ((exponentials[whole + 1] ?? 0) - above);
  }
  return sum;
}
