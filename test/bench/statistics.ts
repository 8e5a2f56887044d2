// Percentiles for the benchmarks.

export interface Spread {
  readonly p50: number;
  readonly p95: number;
}

/** The value below which `share` (0..1) of `values` lie (nearest rank); NaN for none. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? Number.NaN;
}

export function percentiles(values: readonly number[]): Spread {
  return { p50: percentile(values, 0.5), p95: percentile(values, 0.95) };
}

/** The median of a value of all items; NaN without items. */
export function medianOf<Item>(items: readonly Item[], value: (item: Item) => number): number {
  return percentile(items.map(value), 0.5);
}
