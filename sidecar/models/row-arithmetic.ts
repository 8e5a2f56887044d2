// The arithmetic of recipes on rows of float32: multiplies them by factors, rounds them to codes, transposes them.

/** The minimum magnitude of a row, from which its scale is computed; also that of a row of zeros. */
const minMagnitude = Math.fround(1e-20);
/** Adding and subtracting it rounds a float64 of at most 2 ** 31 to a whole number, ties to even. */
const rounding = 1.5 * 2 ** 52;

/** Multiplies number j of each row by factor j, when there are factors, one for each column. Each product is a float32. */
export function multiplyColumns(numbers: Float32Array, factors: Float32Array | undefined): void {
  if (factors === undefined) return;
  for (let start = 0; start < numbers.length; start += factors.length)
    for (let column = 0; column < factors.length; column++)
      numbers[start + column] = (numbers[start + column] ?? 0) * (factors[column] ?? 0);
}

/**
 * Rounds rows to codes between -`maxCode` and `maxCode`, ties to even, each with its own scale: its largest magnitude divided by
 * `maxCode`, in float32.
 */
export function roundRows(
  numbers: Float32Array,
  columns: number,
  maxCode: number,
  codes: Int8Array,
  scales: Float32Array,
): void {
  for (let row = 0; row < scales.length; row++) {
    const end = (row + 1) * columns;
    let magnitude = minMagnitude;
    for (let at = row * columns; at < end; at++) {
      const each = Math.abs(numbers[at] ?? 0);
      if (each > magnitude) magnitude = each;
    }
    const scale = Math.fround(magnitude / maxCode);
    scales[row] = scale;
    for (let at = row * columns; at < end; at++)
      codes[at] = Math.fround((numbers[at] ?? 0) / scale) + rounding - rounding;
  }
}

/** Writes rows of `columns` numbers as columns of a panel with `length` rows, the first one at `place`. */
export function turnInto(
  panel: Float32Array | Int8Array,
  numbers: Float32Array | Int8Array,
  columns: number,
  length: number,
  place: number,
): void {
  const rows = numbers.length / columns;
  // Sixteen rows at a time, so that neighbouring places that are written to stay in the processor's cache.
  for (let block = 0; block < rows; block += 16) {
    const end = Math.min(rows, block + 16);
    for (let column = 0; column < columns; column++) {
      for (let row = block; row < end; row++)
        panel[column * length + place + row] = numbers[row * columns + column] ?? 0;
    }
  }
}
