// Suggestions of several lines never break the surrounding block in real files, whatever the model generates.
import { resolve } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Node, Parser, type Tree } from "web-tree-sitter";
import { findStop } from "../../../../sidecar/completion/decoding/stop";
import { applyFilters } from "../../../../sidecar/completion/filters/all";
import { readCursor } from "../../../../sidecar/completion/syntax/cursor";
import type { SyntaxTrees } from "../../../../sidecar/completion/syntax/tree";
import { loadGrammar } from "../../../../sidecar/languages/grammars";
import { languageById, languageIdOf } from "../../../../sidecar/languages/languages";
import { indentOf } from "../../../../sidecar/languages/scanner";
import type { CursorContext } from "../../../../sidecar/retrieval/types";
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

/** Number of errors and missing tokens in the file. */
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

/** The ranges of all nodes of the file. */
function places(root: Node): Set<string> {
  const found = new Set<string>();
  const visit = (node: Node): void => {
    found.add(`${node.startIndex}-${node.endIndex}`);
    for (const child of node.children) visit(child);
  };
  visit(root);
  return found;
}

interface Place {
  readonly start: number;
  /** The end of the removed text. */
  readonly end: number;
}

/** A line's beginning or end; what was there stays, or goes up to a few lines on. */
function placeIn(text: string, round: number, pick: (below: number) => number): Place | undefined {
  const lines = [...text.matchAll(/^[ \t]*/gm)];
  const line = lines[pick(lines.length)];
  const start = round % 2 === 0 ? (line?.index ?? 0) + (line?.[0].length ?? 0) : text.indexOf("\n", line?.index ?? 0);
  if (start < 0) return undefined;
  let end = start;
  for (let gone = pick(4); gone > 0; gone--) end = Math.max(end, text.indexOf("\n", end + 1));
  return { start, end };
}

/** Texts that a model may generate: the real text, the real text with a gap, text of another place or of another file. */
function generatedText(text: string, start: number, round: number, pick: (below: number) => number): string {
  const other = files[pick(files.length)]?.text ?? "";
  const from = pick(text.length);
  const texts = [
    text.slice(start, start + 300),
    text.slice(start, start + 60) + text.slice(start + 60 + pick(40), start + 300),
    text.slice(from, from + 300),
    `\n${other.slice(from % Math.max(1, other.length)).slice(0, 200)}`,
  ];
  return texts[round % 4] ?? "";
}

/** The suggestion of several lines for a generated text; undefined when there is none. */
function shownSuggestion(document: CursorContext, generated: string) {
  const tree = trees.at(document);
  const cursor = readCursor(document, tree);
  const result = applyFilters(generated.slice(0, findStop(generated, cursor)?.length), { document, cursor });
  tree?.dispose();
  return "text" in result && result.text.trim().includes("\n") ? { text: result.text, cursor } : undefined;
}

function parsed(parser: Parser, text: string): Tree {
  const tree = parser.parse(text);
  if (tree === null) throw new Error("expected a tree");
  return tree;
}

it("suggestions of several lines leave the surrounding blocks intact at thousands of cursors", async () => {
  const next = random(11);
  const pick = (below: number) => Math.floor(next() * below);
  let severalLines = 0;
  let asked = 0;
  for (const { path, text } of files) {
    const languageId = languageIdOf(path);
    const grammar = languageById(languageId)?.grammar;
    if (grammar === undefined || text.length > 16_000) continue;
    const types = new Set<string>([...grammar.members, ...grammar.statements]);
    const parser = new Parser().setLanguage(await loadGrammar(grammarFolder, grammar.file));
    for (let round = 0; round < 120; round++) {
      const place = placeIn(text, round, pick);
      if (place === undefined) continue;
      const { start, end } = place;
      const prefix = text.slice(0, start);
      const document = { uri: `file:///${path}`, path, languageId, prefix, suffix: text.slice(end) };
      const suggestion = shownSuggestion(document, generatedText(text, start, round, pick));
      asked += 1;
      if (suggestion === undefined) continue;
      severalLines += 1;
      const before = parsed(parser, document.prefix + document.suffix);
      const after = parsed(parser, document.prefix + suggestion.text + document.suffix);
      const shown = `${path}: ${document.prefix.slice(-200)}├${suggestion.text}┤${document.suffix.slice(0, 100)}`;
      expect(errorsIn(after.rootNode), shown).toBeLessThanOrEqual(errorsIn(before.rootNode));
      const found = places(after.rootNode);
      const column = languageId === "python" ? indentOf(suggestion.cursor.linePrefix) : Infinity;
      const blocks = before.rootNode.hasError
        ? []
        : blocksAround(before.rootNode, start, suggestion.text.length, types, column);
      expect(
        blocks.filter((block) => !found.has(block)),
        shown,
      ).toEqual([]);
      before.delete();
      after.delete();
    }
    parser.delete();
  }
  expect(asked).toBeGreaterThan(3000);
  expect(severalLines).toBeGreaterThan(100);
});
