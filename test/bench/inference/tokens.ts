// Random token rows for timing. No two rows begin alike, so that no keys and values are reused.

/** Numbers from 0 to 1, the same in every run (a linear congruential generator with Numerical Recipes' constants). */
export function randomNumbers(seed = 1): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Rows of random ids below `vocabulary`. */
export function randomRows(vocabulary: number, seed?: number): (length: number) => number[] {
  const random = randomNumbers(seed);
  return (length) => Array.from({ length }, () => Math.floor(random() * vocabulary));
}
