// Greedy choice: the most likely token among those that may come.

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
