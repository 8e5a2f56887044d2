// Cursor marks in test texts: ║ is the cursor, ├ and ┤ enclose what is inserted there.
import { resolve } from "node:path";
import { expect } from "vitest";
import type { FilterContext, SuggestionFilter } from "../../../sidecar/completion/filters/filter";
import { readCursor } from "../../../sidecar/completion/syntax/cursor";
import { SyntaxTrees } from "../../../sidecar/completion/syntax/tree";
import type { CursorContext } from "../../../sidecar/retrieval/types";

/** The folder of the grammars that `node esbuild.config.mjs` copies. */
export const grammarFolder = resolve(import.meta.dirname, "../../../dist/grammars");

/** Loads all grammars. */
export function loadTrees(): Promise<SyntaxTrees> {
  const failed = (message: string): never => {
    throw new Error(message);
  };
  return SyntaxTrees.load(grammarFolder, failed, Infinity);
}

export interface Marked {
  readonly context: FilterContext;
  readonly insertion: string;
}

/**
 * Splits `text` into the text before the cursor, the insertion and the text after it, and removes the common margin.
 * Without `trees`, the cursor is read by brackets and indentation only.
 */
export function marked(text: string, languageId = "typescript", trees?: SyntaxTrees): Marked {
  const [prefix = "", insertion = "", suffix = ""] = split(unindent(text));
  const document: CursorContext = { uri: "file:///folder/file", path: "file", languageId, prefix, suffix };
  return { context: { document, cursor: readCursor(document, trees?.at(document)) }, insertion };
}

function split(text: string): string[] {
  const parts = text.includes("║") ? text.split("║") : text.split(/[├┤]/);
  if (text.includes("║") ? parts.length !== 2 : parts.length !== 3)
    throw new Error(`expected one ║ or one ├…┤ in:\n${text}`);
  return text.includes("║") ? [parts[0] ?? "", "", parts[1] ?? ""] : parts;
}

/** Removes the newline after the opening backtick and the indentation of the closing one. */
function unindent(text: string): string {
  if (!text.startsWith("\n")) return text;
  const lines = text
    .slice(1)
    .replace(/\n[ ]*$/, "")
    .split("\n");
  const margin = /^ */.exec(lines[0] ?? "")?.[0].length ?? 0;
  return lines.map((line) => (line.slice(0, margin).trim() === "" ? line.slice(margin) : line)).join("\n");
}

/** Expects `filter` to turn the first marked text into the second. */
export function expectKept(
  filter: SuggestionFilter,
  before: string,
  after: string,
  languageId?: string,
  trees?: SyntaxTrees,
): void {
  const { context, insertion } = marked(before, languageId, trees);
  const expected = marked(after, languageId);
  expect([expected.context.document.prefix, expected.context.document.suffix]).toEqual([
    context.document.prefix,
    context.document.suffix,
  ]);
  expect(filter.apply(insertion, context)).toEqual({ text: expected.insertion });
}

/** Expects `filter` to leave the marked text unchanged. */
export function expectUntouched(
  filter: SuggestionFilter,
  text: string,
  languageId?: string,
  trees?: SyntaxTrees,
): void {
  expectKept(filter, text, text, languageId, trees);
}

/** Expects `filter` to reject the insertion for `reason`. */
export function expectRejected(
  filter: SuggestionFilter,
  text: string,
  reason: string | RegExp,
  languageId?: string,
  trees?: SyntaxTrees,
): void {
  const { context, insertion } = marked(text, languageId, trees);
  const result = filter.apply(insertion, context);
  expect("reject" in result ? result.reject : `not rejected: ${JSON.stringify(result)}`).toMatch(reason);
}
