// Greedy decoding: the most likely of the tokens that are allowed next, and how likely it is.

/** Whether a token may come next. */
export type IsAllowed = (id: number) => boolean;

/**
 * The id of the highest value among the allowed ones; the lowest such id where several are equal. Calls `isAllowed` only for
 * ids that would win.
 * @throws RangeError where no id is allowed.
 */
export function argmax(values: Float32Array, isAllowed?: IsAllowed): number {
  let best = -1;
  let max = -Infinity;
  for (let id = 0; id < values.length; id++) {
    const value = values[id] ?? -Infinity;
    if ((value > max || best < 0) && (isAllowed === undefined || isAllowed(id))) {
      max = value;
      best = id;
    }
  }
  if (best < 0)
    throw new RangeError(
      `expected one of ${values.length} tokens that may come next, found none: the model graph gave no output, or the tokenizer lacks a token for every byte`,
    );
  return best;
}

/** Natural logarithm of the probability of `id` among the allowed tokens: a softmax over `values`, their logits. */
export function logProbability(values: Float32Array, id: number, isAllowed?: IsAllowed): number {
  const logits =
    isAllowed === undefined
      ? values
      : values.map((value, other) => (other === id || isAllowed(other) ? value : -Infinity));
  return -Math.log(sumOfExponentials(logits, logits[id] ?? -Infinity));
}

/** The sum of `e^(value - base)`. */
export function sumOfExponentials(values: Float32Array, base: number): number {
  let sum = 0;
  for (const value of values) sum += Math.exp(value - base);
  return sum;
}
