// In real files, whatever a model says: suggestions of several lines never break the block they are in.
import { resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Node, Parser } from "web-tree-sitter";
import { findStop } from "../../../../sidecar/completion/decoding/stop";
import { applyFilters } from "../../../../sidecar/completion/filters/all";
import { readCursor } from "../../../../sidecar/completion/syntax/cursor";
import type { SyntaxTrees } from "../../../../sidecar/completion/syntax/tree";
import { loadGrammar } from "../../../../sidecar/languages/grammars";
import { languageById, languageIdOf } from "../../../../sidecar/languages/languages";
import { indentOf } from "../../../../sidecar/languages/scanner";
import { readSources } from "../../../bench/cursors";
import { samples } from "../../workspace/vectors/samples";
import { grammarFolder, loadTrees } from "../cursor-marks";
import { random } from "../random";

let trees: SyntaxTrees;
const files: { path: string; text: string }[] = [];
beforeAll(async () => {
  trees = await loadTrees();
  for (const folder of ["../../../fixtures/workspace", "../../../../sidecar/completion"]) {
    for (const [path, text] of await readSources(resolve(import.meta.dirname, folder))) files.push({ path, text });
  }
  for (const { path, text } of samples)
    if (languageById(languageIdOf(path))?.grammar !== undefined) files.push({ path, text });
});
afterAll(() => trees.dispose());

/** Errors and missing tokens in the whole file. */
function errorsIn(node: Node): number {
  return (
    (node.isError || node.isMissing ? 1 : 0) +
    (node.hasError ? node.children.reduce((sum, child) => sum + errorsIn(child), 0) : 0)
  );
}

/**
 * Bodies around `offset`, as places: without an insertion, as they would be with one of `length` at `offset`. By indentation,
 * a line begins in those alone whose statements stand no deeper.
 */
function blocksAround(
  root: Node,
  offset: number,
  length: number,
  types: ReadonlySet<string>,
  column: number,
): string[] {
  const blocks: string[] = [];
  for (let node = root.descendantForIndex(offset, offset); node !== null; node = node.parent) {
    if (
      node.parent !== null &&
      types.has(node.type) &&
      node.startIndex < offset &&
      node.endIndex > offset &&
      node.startPosition.column <= column
    )
      blocks.push(`${node.startIndex}-${node.endIndex + length}`);
  }
  return blocks;
}

/** Every node of the file as a place. */
function places(root: Node): Set<string> {
  const found = new Set<string>();
  const visit = (node: Node): void => {
    found.add(`${node.startIndex}-${node.endIndex}`);
    for (const child of node.children) visit(child);
  };
  visit(root);
  return found;
}

it("for thousands of places and texts", async () => {
  const next = random(11);
  const pick = (below: number) => Math.floor(next() * below);
  let several = 0;
  let asked = 0;
  for (const { path, text } of files) {
    const languageId = languageIdOf(path);
    const grammar = languageById(languageId)?.grammar;
    if (grammar === undefined || text.length > 16_000) continue;
    const types = new Set<string>([...grammar.members, ...grammar.statements]);
    const parser = new Parser().setLanguage(await loadGrammar(grammarFolder, grammar.file));
    const lines = [...text.matchAll(/^[ \t]*/gm)];
    for (let round = 0; round < 120; round++) {
      // At a line's beginning or end; what was there stays, or goes up to a few lines on.
      const line = lines[pick(lines.length)];
      const start =
        round % 2 === 0 ? (line?.index ?? 0) + (line?.[0].length ?? 0) : text.indexOf("\n", line?.index ?? 0);
      if (start < 0) continue;
      let end = start;
      for (let gone = pick(4); gone > 0; gone--) end = Math.max(end, text.indexOf("\n", end + 1));
      const document = {
        uri: `file:///${path}`,
        path,
        languageId,
        prefix: text.slice(0, start),
        suffix: text.slice(end),
      };
      // What a model may say: the truth, the truth with something lost, another place of the file, another file.
      const other = files[pick(files.length)]?.text ?? "";
      const from = pick(text.length);
      const said =
        [
          text.slice(start, start + 300),
          text.slice(start, start + 60) + text.slice(start + 60 + pick(40), start + 300),
          text.slice(from, from + 300),
          `\n${other.slice(from % Math.max(1, other.length)).slice(0, 200)}`,
        ][round % 4] ?? "";
      const tree = trees.at(document);
      const cursor = readCursor(document, tree);
      const result = applyFilters(said.slice(0, findStop(said, cursor)?.length), { document, cursor });
      tree?.dispose();
      asked += 1;
      if (!("text" in result) || !result.text.trim().includes("\n")) continue;
      several += 1;
      const before = parser.parse(document.prefix + document.suffix);
      const after = parser.parse(document.prefix + result.text + document.suffix);
      if (before === null || after === null) throw new Error("expected trees");
      const shown = `${path}: ${document.prefix.slice(-200)}├${result.text}┤${document.suffix.slice(0, 100)}`;
      expect(errorsIn(after.rootNode), shown).toBeLessThanOrEqual(errorsIn(before.rootNode));
      if (!before.rootNode.hasError) {
        const kept = places(after.rootNode);
        const column = languageId === "python" ? indentOf(cursor.linePrefix) : Infinity;
        for (const block of blocksAround(before.rootNode, start, result.text.length, types, column))
          expect(kept.has(block), `${block} in ${shown}`).toBe(true);
      }
      before.delete();
      after.delete();
    }
    parser.delete();
  }
  expect(asked).toBeGreaterThan(3000);
  expect(several).toBeGreaterThan(100);
});
