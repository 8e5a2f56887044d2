// Code of real files passes the stop rules and the filters unchanged.
import { resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { findStop } from "../../../../sidecar/completion/decoding/stop";
import { applyFilters } from "../../../../sidecar/completion/filters/all";
import { closersAfter, readCursor } from "../../../../sidecar/completion/syntax/cursor";
import type { SyntaxTrees } from "../../../../sidecar/completion/syntax/tree";
import { type Cursor, readSources, typingCursors } from "../../../bench/cursors";
import { loadTrees } from "../cursor-marks";

const folders = ["../../../fixtures/workspace", "../../../../sidecar/completion", "../../../../sidecar/retrieval"].map(
  (folder) => resolve(import.meta.dirname, folder),
);
let cursors: Cursor[];
let trees: SyntaxTrees;
beforeAll(async () => {
  trees = await loadTrees();
  cursors = (
    await Promise.all(folders.map(async (folder) => typingCursors(folder, await readSources(folder), 500)))
  ).flat();
});

afterAll(() => trees.dispose());

/** The share of cursors at which `generated` is cut to the rest of the line, and a line on each other cursor. */
function share(
  generated: (cursor: Cursor) => string,
  context: (cursor: Cursor) => Cursor["context"],
): { share: number; wrong: string[] } {
  const wrong: string[] = [];
  const asked = cursors.filter(({ truth }) => truth.trim() !== "");
  for (const cursor of asked) {
    const document = context(cursor);
    const tree = trees.at(document);
    const syntax = readCursor(document, tree);
    const text = generated(cursor);
    const result = applyFilters(text.slice(0, findStop(text, syntax)?.length), { document, cursor: syntax });
    tree?.dispose();
    const shown = "text" in result ? result.text : `(${result.reject})`;
    if (!shown.startsWith(cursor.truth.trimEnd()))
      wrong.push(`${cursor.context.path}:${cursor.line + 1} ${syntax.linePrefix}║${cursor.truth} -> ${shown}`);
  }
  return { share: 1 - wrong.length / asked.length, wrong };
}

it("the real rest of a line passes unchanged when the model generates nothing else", () => {
  const { share: kept, wrong } = share(
    (cursor) => cursor.truth,
    (cursor) => cursor.context,
  );
  expect(cursors.length).toBeGreaterThan(1000);
  expect(kept, wrong.slice(0, 10).join("\n")).toBeGreaterThan(0.98);
});

it("the real rest of a line passes unchanged when the model continues to the end of the file", () => {
  const { share: kept, wrong } = share(
    (cursor) => cursor.truth + cursor.context.suffix.slice(0, 2000),
    (cursor) => ({ ...cursor.context, suffix: "" }),
  );
  expect(kept, wrong.slice(0, 10).join("\n")).toBeGreaterThan(0.97);
});

it("a suggestion is cut where the real code after the cursor begins", () => {
  const wrong: string[] = [];
  let asked = 0;
  for (const [each, { context, truth }] of cursors.entries()) {
    // The text after the cursor starts after a different word or bracket of the real text each time.
    const borders = [...truth.matchAll(/\b|(?<=[()[\]{},;=])/g)]
      .map(({ index }) => index)
      .filter((index) => truth.slice(0, index).trim() !== "" && truth.slice(index).trim() !== "");
    const border = borders[each % Math.max(1, borders.length)];
    if (border === undefined) continue;
    const document = { ...context, suffix: truth.slice(border) + context.suffix };
    const tree = trees.at(document);
    const cursor = readCursor(document, tree);
    const generated = truth + context.suffix.slice(0, 300);
    const result = applyFilters(generated.slice(0, findStop(generated, cursor)?.length), { document, cursor });
    tree?.dispose();
    asked += 1;
    const shown = "text" in result ? result.text : `(${result.reject})`;
    const expected = truth.slice(0, border);
    // White space is not written before white space.
    if (shown !== (/^\s/.test(truth.slice(border)) ? expected.trimEnd() : expected))
      wrong.push(`${context.path} ${cursor.linePrefix}║${truth.slice(0, border)}┤${truth.slice(border)} -> ${shown}`);
  }
  expect(asked).toBeGreaterThan(800);
  expect(1 - wrong.length / asked, wrong.slice(0, 10).join("\n")).toBeGreaterThan(0.9);
});

it("the real rest of a line agrees with the syntax tree", () => {
  const wrong: string[] = [];
  for (const { context, truth } of cursors) {
    const tree = trees.at(context);
    const cursor = readCursor(context, tree);
    if (tree?.agrees(truth, closersAfter(truth, cursor)) === false)
      wrong.push(`${context.path} ${cursor.linePrefix}║${truth}`);
    tree?.dispose();
  }
  expect(1 - wrong.length / cursors.length, wrong.slice(0, 10).join("\n")).toBeGreaterThan(0.95);
});
