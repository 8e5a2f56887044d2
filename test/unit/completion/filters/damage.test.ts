// What the filters leave of unrelated code damages no file: it parses no worse, and no words are glued or lines repeated.
import { resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { findStop } from "../../../../sidecar/completion/decoding/stop";
import { applyFilters } from "../../../../sidecar/completion/filters/all";
import { readCursor } from "../../../../sidecar/completion/syntax/cursor";
import type { SyntaxTrees } from "../../../../sidecar/completion/syntax/tree";
import { readSources } from "../../../bench/cursors";
import { damageOf, type ErrorCounter, errorCounter } from "../../../bench/replay/damage";
import { type ReplayPlace, replayPlaces } from "../../../bench/replay/places";
import { grammarFolder, loadTrees } from "../cursor-marks";

const folders = [
  "../../../fixtures/workspace",
  "../../../../sidecar/completion",
  "../../../../models/training/selfracg",
];
let places: ReplayPlace[];
let trees: SyntaxTrees;
let count: ErrorCounter;
beforeAll(async () => {
  trees = await loadTrees();
  const sources = await Promise.all(folders.map((folder) => readSources(resolve(import.meta.dirname, folder))));
  places = replayPlaces(new Map(sources.flatMap((files) => [...files])), 1000);
  count = await errorCounter(grammarFolder, new Set(places.map(({ context }) => context.languageId)));
});
afterAll(() => trees.dispose());

/** What is left at a place of the code that stands at another place of the same language; undefined where it is rejected. */
function leftOf({ context }: ReplayPlace, generated: string): string | undefined {
  const tree = trees.at(context);
  const cursor = readCursor(context, tree);
  const result = applyFilters(generated.slice(0, findStop(generated, cursor)?.length), { document: context, cursor });
  tree?.dispose();
  return "text" in result ? result.text : undefined;
}

it("code of another place does no damage at a thousand places, and something is left of it at many", () => {
  const damaged: string[] = [];
  let shown = 0;
  for (const [index, place] of places.entries()) {
    const { context } = place;
    const others = places.filter((other) => other.context.languageId === context.languageId);
    const generated = others[(index * 7 + 3) % others.length]?.context.suffix.trimStart().slice(0, 250) ?? "";
    const text = leftOf(place, generated);
    if (text === undefined) continue;
    shown += 1;
    const damage = damageOf(context, text, count);
    if (Object.values(damage).includes(true))
      damaged.push(`${context.path}: ${context.prefix.slice(-80)}├${text}┤${context.suffix.slice(0, 80)}`);
  }
  expect(damaged).toEqual([]);
  expect(shown / places.length).toBeGreaterThan(0.4);
});
