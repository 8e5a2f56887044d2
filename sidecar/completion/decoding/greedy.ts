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

/** Natural logarithm of the probability of `id` among the tokens admitted: a softmax over `values`, their logits. */
export function logProbability(values: Float32Array, id: number, admits?: Admits): number {
  if (admits !== undefined) values = values.map((value, other) => (other === id || admits(other) ? value : -Infinity));
  return -Math.log(sumOfExponentials(values, values[id] ?? -Infinity));
}

/** The sum of `e^(value - base)`. */
export function sumOfExponentials(values: Float32Array, base: number): number {
  let sum = 0;
  for (const value of values) sum += Math.exp(value - base);
  return sum;
}
