// The benchmark's cursors: real places, with the rest of the line removed from the context.
import { resolve } from "node:path";
import { expect, it } from "vitest";
import { readSources, spread, typingCursors } from "../../bench/cursors";
import { percentile } from "../../bench/statistics";

const folder = resolve(import.meta.dirname, "../../fixtures/workspace");

it("a typing cursor removes the rest of its line from the context", async () => {
  const sources = await readSources(folder);
  for (const { context, truth, line, character } of typingCursors(folder, sources, 100)) {
    const text = sources.get(context.path) ?? "";
    expect(context.prefix + truth + context.suffix).toBe(text);
    expect(text.split("\n")[line]?.slice(character)).toBe(truth);
  }
});

it("spread picks items at even distances", () => {
  expect(spread([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 5)).toEqual([0, 2, 4, 6, 8]);
  expect(spread([0, 1, 2], 5)).toEqual([0, 1, 2]);
  expect(
    spread(
      Array.from({ length: 1000 }, (_, at) => at),
      7,
    ),
  ).toHaveLength(7);
  expect(spread([], 3)).toEqual([]);
});

it("a percentile is one of the values", () => {
  expect([percentile([3, 1, 2], 0.5), percentile([3, 1, 2], 0.95), percentile([1], 0)]).toEqual([2, 3, 1]);
});
