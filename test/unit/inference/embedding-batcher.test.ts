// Batches of fragments: of similar lengths, with an adapted size, and complete.
import { describe, expect, it } from "vitest";
import { type BatchRow, EmbeddingBatcher } from "../../../sidecar/inference/embedding-batcher";

/** All batches of a plan; `ms` returns the duration of a batch for its padded tokens. */
function run(plan: EmbeddingBatcher, lengths: readonly number[], ms: (tokens: number) => number): BatchRow[][] {
  const waiting = plan.order(lengths);
  const batches: BatchRow[][] = [];
  while (waiting.length > 0) {
    const batch = plan.next(waiting);
    plan.recordDuration(batch, ms(padded(batch)));
    batches.push(batch);
  }
  return batches;
}

const padded = (batch: readonly BatchRow[]): number => batch.length * Math.max(...batch.map(({ length }) => length));
const lengths = Array.from({ length: 300 }, (_, i) => 1 + ((i * 53) % 128));

describe("batches", () => {
  it("contain every row once, with its length", () => {
    const rows = run(new EmbeddingBatcher(), lengths, (tokens) => tokens / 10).flat();
    expect(rows.map(({ index }) => index).sort((a, b) => a - b)).toEqual(lengths.map((_, index) => index));
    for (const { index, length } of rows) expect(length).toBe(lengths[index]);
    expect(run(new EmbeddingBatcher(), [], () => 1)).toEqual([]);
  });

  it("have little padding", () => {
    const batches = run(new EmbeddingBatcher(), lengths, (tokens) => tokens / 20);
    const waste = batches.flat().reduce(
      (sum, { length }) => sum - length,
      batches.reduce((sum, batch) => sum + padded(batch), 0),
    );
    expect(waste).toBeLessThan(0.06 * lengths.reduce((sum, length) => sum + length, 0));
    expect(batches.every((batch) => padded(batch) - batch.reduce((sum, { length }) => sum + length, 0) <= 32)).toBe(
      true,
    );
  });

  it("grow step by step while they are fast and shrink at once when they are slow", () => {
    const alike = Array.from({ length: 400 }, () => 64);
    const fast = run(new EmbeddingBatcher(), alike, (tokens) => tokens / 20).map(padded);
    expect(fast[0]).toBe(128);
    expect(Math.max(...fast)).toBeGreaterThan(400);
    expect(Math.max(...fast) / 20).toBeLessThanOrEqual(30);
    const slow = run(new EmbeddingBatcher(), alike, (tokens) => tokens / 2).map(padded);
    // 128 tokens took 64 ms, so less than one row fits in 30 ms.
    expect(slow.slice(1).every((tokens) => tokens === 64)).toBe(true);
    expect(
      run(new EmbeddingBatcher(), alike, () => 1e-6)
        .map(padded)
        .every((tokens) => tokens <= 1024),
    ).toBe(true);
  });

  it("do not shrink after a batch of few tokens", () => {
    const plan = new EmbeddingBatcher();
    const sizes = run(
      plan,
      Array.from({ length: 400 }, () => 64),
      (tokens) => tokens / 20,
    ).map(padded);
    run(plan, [3], () => 5);
    expect(padded(plan.next(plan.order(Array.from({ length: 20 }, () => 64))))).toBeGreaterThanOrEqual(
      Math.max(...sizes) / 2,
    );
  });
});
