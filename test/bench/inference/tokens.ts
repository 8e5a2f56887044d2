// Token rows to time the model with: any ids do, but none may begin as an earlier one, whose keys and values would be reused.

/** Numbers from 0 to 1, the same at every run (a linear congruential generator with Numerical Recipes' constants). */
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
