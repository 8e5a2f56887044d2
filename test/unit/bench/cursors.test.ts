// The benchmark's cursors: real places, the truth kept out of the context, names from other files only.
import { resolve } from "node:path";
import { expect, it } from "vitest";
import { crossFileCursors, readSources, spread, typingCursors } from "../../bench/cursors";
import { percentile, similarity } from "../../bench/statistics";

const folder = resolve(import.meta.dirname, "../../fixtures/workspace");

it("cut the rest of the line out of the file", async () => {
  const sources = await readSources(folder);
  for (const { context, truth, line, character } of typingCursors(folder, sources, 100)) {
    const text = sources.get(context.path) ?? "";
    expect(context.prefix + truth + context.suffix).toBe(text);
    expect(text.split("\n")[line]?.slice(character)).toBe(truth);
  }
});

it("find names that only another file defines", async () => {
  const sources = new Map([
    ["a.py", "from b import far_away\n\ndef nearby(): pass\n\nresult = far_away(nearby())\nagain = far_away()\n"],
    ["b.py", "def far_away(value): pass\ndef ambiguous(): pass\n"],
    ["c.py", "def ambiguous(): pass\nx = ambiguous()\n"],
  ]);
  const cursors = crossFileCursors("/w", sources);
  expect(cursors.map(({ context, name, truth }) => [context.path, name, truth])).toEqual([
    ["a.py", "far_away", "far_away(nearby())"],
  ]);
});

it("are many in the fixture", async () => {
  expect(crossFileCursors(folder, await readSources(folder)).length).toBeGreaterThan(40);
});

it("are spread evenly", () => {
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

it("percentiles are values that were there", () => {
  expect([percentile([3, 1, 2], 0.5), percentile([3, 1, 2], 0.95), percentile([1], 0)]).toEqual([2, 3, 1]);
});

it("similarity is 1 for equals and 0 for strangers", () => {
  expect([similarity("abc", "abc"), similarity("abc", "xyz"), similarity("", "a"), similarity("abcd", "abcx")]).toEqual(
    [1, 0, 0, 0.75],
  );
});
