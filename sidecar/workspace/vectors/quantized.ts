// A vector as 16-bit integers and one scale: the form of vectors on disk, in messages and in memory.

/** The largest integer of a vector. */
export const steps = 32767;

/** Component i is `values[i]` / {@link steps} x `scale`: an error of at most `scale` / 65534, far less than the difference between two fragments. */
export interface Quantized {
  readonly values: Int16Array;
  /** Largest magnitude of a component, as a 32-bit float; 1 where all are 0. */
  readonly scale: number;
}

export function quantized(vector: Float32Array): Quantized {
  let largest = 0;
  for (const x of vector) largest = Math.max(largest, Math.abs(x));
  const scale = largest === 0 ? 1 : Math.fround(largest);
  const values = new Int16Array(vector.length);
  roundInto(values, vector, steps / scale);
  return { values, scale };
}

/** Writes each component times `factor`, rounded, to the beginning of `values`. */
export function roundInto(values: Int16Array, vector: Float32Array, factor: number): void {
  for (let i = 0; i < vector.length; i++) {
    const scaled = (vector[i] ?? 0) * factor;
    // Math.round takes several times as long.
    values[i] = scaled < 0 ? scaled - 0.5 : scaled + 0.5;
  }
}
