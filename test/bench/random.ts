// Random numbers, token rows and vectors, the same in every run. No two token rows begin alike, so that no keys and values are reused.

/** Numbers from 0 to 1 (a linear congruential generator with Numerical Recipes' constants). */
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

/** A vector of length 1. */
export function randomUnitVector(dimension: number, seed: number): Float32Array {
  const random = randomNumbers(seed);
  const vector = Float32Array.from({ length: dimension }, () => random() - 0.5);
  const norm = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));
  return vector.map((x) => x / norm);
}
