// Parses texts with tree-sitter, within a time limit, and tells a tree where its text was edited.
import { Edit, type Node, type Parser, type Tree } from "web-tree-sitter";
import type { Grammar } from "../../languages/language";

/** A language with its parser. */
export interface ParsedLanguage {
  readonly parser: Parser;
  /** Maximum milliseconds of one parse. */
  readonly maxParseMs: number;
  readonly members: ReadonlySet<string>;
  readonly statements: ReadonlySet<string>;
  readonly leading: ReadonlySet<string>;
  readonly membersBelow: Grammar["membersBelow"];
}

/** More errors tell nothing new, and code that people write is not nested deeper. */
const maxErrors = 64;
const maxDepth = 300;

/** The tree of `text`, made from `old`, which is deleted; undefined where it takes too long. */
export function parse({ parser, maxParseMs }: ParsedLanguage, text: string, old: Tree | undefined): Tree | undefined {
  const deadline = performance.now() + maxParseMs;
  try {
    const tree = parser.parse(text, old ?? null, { progressCallback: () => performance.now() > deadline });
    if (tree !== null) return tree;
    parser.reset();
    return undefined;
  } finally {
    old?.delete();
  }
}

/** A copy of `tree` that knows where `after` differs from `before`, the text that it was made from. */
export function editedTree(tree: Tree, before: string, after: string): Tree {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before.charCodeAt(start) === after.charCodeAt(start)) start += 1;
  let end = 0;
  while (
    end < shorter - start &&
    before.charCodeAt(before.length - 1 - end) === after.charCodeAt(after.length - 1 - end)
  )
    end += 1;
  const copy = tree.copy();
  copy.edit(editOf(before, after, start, before.length - end, after.length - end));
  return copy;
}

/** The edit that replaces `before[startIndex..oldEndIndex]` by `after[startIndex..newEndIndex]`. */
export function editOf(
  before: string,
  after: string,
  startIndex: number,
  oldEndIndex: number,
  newEndIndex: number,
): Edit {
  return new Edit({
    startIndex,
    oldEndIndex,
    newEndIndex,
    startPosition: pointAt(after, startIndex),
    oldEndPosition: pointAt(before, oldEndIndex),
    newEndPosition: pointAt(after, newEndIndex),
  });
}

/** Errors and missing tokens under `root`, at most {@link maxErrors}. */
export function countErrors(root: Node): number {
  let count = 0;
  const visit = (node: Node, depth: number): void => {
    if (node.isError || node.isMissing) count += 1;
    if (count >= maxErrors || depth > maxDepth || !node.hasError) return;
    for (const child of node.children) visit(child, depth + 1);
  };
  visit(root, 0);
  return count;
}

function pointAt(text: string, index: number): { row: number; column: number } {
  let row = 0;
  let start = 0;
  for (let at = text.indexOf("\n"); at >= 0 && at < index; at = text.indexOf("\n", at + 1)) {
    row += 1;
    start = at + 1;
  }
  return { row, column: index - start };
}
