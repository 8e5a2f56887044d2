// The syntax around the cursor: its line, the brackets open there, and how far a suggestion may go.

import { syntaxOf } from "../../languages/languages";
import { indentOf, type OpenBracket, Scanner } from "../../languages/scanner";
import type { Syntax } from "../../languages/syntax";
import type { CursorContext } from "../../retrieval/types";
import type { CursorTree, Placeholder, SyntaxAtCursor } from "./cursor-tree";

/**
 * How far a suggestion reaches:
 * `line` to the end of the line, `statement` to the newline where its brackets are closed, `block` over the lines of a block.
 */
export type Extent = "line" | "statement" | "block";

export interface CursorSyntax {
  readonly syntax: Syntax;
  /** Undefined for languages without a grammar. */
  readonly tree: CursorTree | undefined;
  /** The cursor's line up to the cursor. */
  readonly linePrefix: string;
  /** The cursor's line from the cursor on, without its line break. */
  readonly lineSuffix: string;
  /** The first line below the cursor's that is not blank. */
  readonly lineBelow: string | undefined;
  /** The last line above the cursor's that is not blank. */
  readonly lineAbove: string | undefined;
  /** The text after the cursor, at most 64 Ki characters of it. */
  readonly suffix: string;
  /** What reading {@link suffix} from the cursor on leads to. */
  readonly afterCursor: Scanner;
  readonly extent: Extent;
  /** With extent `block`: lines indented less than or as far as this end the block; -1 at the top level of a file. */
  readonly blockIndent: number;
  /** With extent `block`: whether it ends with the first construct of several lines. */
  readonly oneConstruct: boolean;
  /** Whether the string around the cursor is documentation: a statement of its own. */
  readonly inDocumentation: boolean;
  /** The text of the string or comment around the cursor, up to the cursor; the line up to there where its start is not known. */
  readonly insidePrefix: string;
  /** The state of strings and comments at the cursor. */
  readonly atCursor: Scanner;
  /** Brackets open at the cursor that the text after it does not close, outermost first: a suggestion may close them. */
  readonly closable: readonly OpenBracket[];
  /** Closers after the cursor that close nothing before it: a suggestion may open what they close. Innermost first. */
  readonly spareClosers: readonly string[];
  /** Whether the code before the cursor cannot end there: after a dot, an operator, or with a bracket of its statement open. */
  readonly unfinished: boolean;
  /** How many of `closable`, the innermost ones, belong to the statement the cursor is in. */
  readonly closableOfStatement: number;
}

/** Characters read on either side: enough for any file a person edits, bounded for those a machine wrote. */
const scanLimit = 65536;
/** Maximum characters of a string or comment in which brackets are looked for. */
const maxProseLength = 4096;

/**
 * Reads the syntax around the cursor, in time linear in at most 64 Ki characters on either side. The tree tells what is at
 * the cursor and how far a suggestion may go where there is one and the code is not too broken; otherwise brackets and
 * indentation do.
 */
export function readCursor(context: CursorContext, tree?: CursorTree): CursorSyntax {
  const syntax = syntaxOf(context.languageId);
  const prefix = tailFromLineStart(context.prefix);
  const suffix = context.suffix.slice(0, scanLimit);
  const lineStart = prefix.lastIndexOf("\n") + 1;
  const linePrefix = prefix.slice(lineStart);
  const lineSuffix = /^[^\r\n]*/.exec(suffix)?.[0] ?? "";

  const lineBelow = suffix
    .slice(lineSuffix.length)
    .split("\n", 64)
    .find((line) => line.trim() !== "");
  const lineAbove = lastNonBlankLine(prefix.slice(0, lineStart));

  const scanned = new Scanner(syntax).read(prefix);
  const scannedSuffix = new Scanner(syntax, scanned).read(suffix);
  const left = leftOpen(scanned.open, scannedSuffix);
  const atTree = tree?.read(placeholderAt(syntax, linePrefix, lineAbove, lineBelow, left.closable));
  // The tree knows strings and comments that the scanner does not: raw strings, markup, here documents.
  const inside = atTree?.inside;
  const differs = inside !== undefined && (inside.kind === "string") !== scanned.insideString;
  const atCursor = differs
    ? scanned.inside(inside.kind === "code" ? undefined : { ...inside, kind: inside.kind })
    : scanned;
  const afterCursor = differs ? new Scanner(syntax, atCursor).read(suffix) : scannedSuffix;
  const { closable, spareClosers } = differs ? leftOpen(atCursor.open, afterCursor) : left;
  const closableOfStatement = countTrailing(closable, (bracket) => bracket.offset >= lineStart || bracket.open !== "{");
  const lines: CursorLines = { syntax, linePrefix, lineSuffix, lineAbove, lineBelow, atCursor };
  const unfinished =
    !atCursor.insideComment &&
    !atCursor.insideString &&
    (closableOfStatement > 0 || unfinishedEnd.test(linePrefix.slice(-maxHeaderLength)));
  const inDocumentation = inside?.documentation === true;
  return {
    syntax,
    tree,
    linePrefix,
    lineSuffix,
    lineBelow,
    lineAbove,
    suffix,
    afterCursor,
    ...extentAt(lines, tree, atTree),
    inDocumentation,
    insidePrefix: differs ? linePrefix : prefix.slice(scanned.insideStart).slice(-maxProseLength),
    atCursor,
    closable,
    spareClosers,
    unfinished,
    closableOfStatement,
  };
}

/** The brackets that `text` at the cursor opens and that neither it nor the code after the cursor closes, outermost first. */
function leftOpenBy(text: string, { syntax, atCursor, spareClosers, lineSuffix }: CursorSyntax): OpenBracket[] {
  const scanner = new Scanner(syntax, atCursor).read(text);
  const opened = scanner.open.length;
  const open = scanner.read(lineSuffix, text.length).open.filter(({ offset }) => offset < text.length);
  // What the line does not close may be closed below.
  if (open.length === opened) for (const close of spareClosers) if (open.at(-1)?.close === close) open.pop();
  return open;
}

/**
 * Whether `text` at the cursor and the rest of the line make a balanced line: what `text` opens is closed, and no more is
 * closed than the line closes by itself and nothing else closes.
 */
export function fitsRest(text: string, cursor: CursorSyntax): boolean {
  const { syntax, atCursor, closable, lineSuffix } = cursor;
  const alone = new Scanner(syntax, atCursor).read(lineSuffix);
  const whole = new Scanner(syntax, atCursor).read(text + lineSuffix);
  if ((whole.insideString && !alone.insideMultiline) || leftOpenBy(text, cursor).length > 0) return false;
  const waiting = (at: number): string | undefined => atCursor.open[atCursor.open.length - 1 - at]?.close;
  const spare = alone.unmatched.findIndex(({ close }, at) => waiting(at) !== close);
  // A rest that ends a string reads as the beginning of one by itself, and nothing is known of what it closes.
  const maxUnmatched = alone.insideString
    ? atCursor.open.length
    : (spare < 0 ? alone.unmatched.length : spare) + closable.length;
  return whole.unmatched.length <= maxUnmatched && whole.unmatched.every(({ close }, at) => waiting(at) === close);
}

/** What closes the brackets that stay open behind `text` at the cursor and that nothing after the cursor closes. */
export function closersAfter(text: string, cursor: CursorSyntax): string {
  const scanner = new Scanner(cursor.syntax, cursor.atCursor).read(text);
  const before = cursor.closable.slice(0, Math.max(0, cursor.closable.length - scanner.unmatched.length));
  const closers = closing([...before, ...leftOpenBy(text, cursor)]);
  return closers !== "" && scanner.insideComment ? `\n${closers}` : closers;
}

function closing(open: readonly OpenBracket[]): string {
  return open
    .map(({ close }) => close)
    .reverse()
    .join("");
}

/**
 * Where the placeholder goes. A block by indentation has its body on the next line: where the cursor is not indented deeper
 * than the header, the placeholder is.
 */
function placeholderAt(
  syntax: Syntax,
  linePrefix: string,
  lineAbove: string | undefined,
  lineBelow: string | undefined,
  closable: readonly OpenBracket[],
): Placeholder {
  const closers = closing(closable);
  if (syntax.blocks !== "indent") return { before: "", closers };
  const whiteSpace = (line: string): string => /^[ \t]*/.exec(line)?.[0] ?? "";
  if (linePrefix.trim() !== "") {
    if (!/:\s*$/.test(linePrefix) || closable.length > 0) return { before: "", closers };
    const deeper = lineBelow !== undefined && indentOf(lineBelow) > indentOf(linePrefix);
    return { before: `\n${deeper ? whiteSpace(lineBelow) : `${whiteSpace(linePrefix)} `}`, closers };
  }
  const isHeader = lineAbove !== undefined && /:\s*$/.test(lineAbove) && indentOf(linePrefix) <= indentOf(lineAbove);
  return { before: isHeader ? `${whiteSpace(lineAbove)} `.slice(linePrefix.length) : "", closers };
}

/** An end of text that is not the end of a statement in any of the languages. */
const unfinishedEnd =
  /(?:[\w)\]]\.|::|[^+]\+|[^-]-|[=*/%&|<]|\b(?:import|from|new|await|and|or|not|in|extends|implements|throw|raise))[ \t]*$/;

function tailFromLineStart(prefix: string): string {
  if (prefix.length <= scanLimit) return prefix;
  const from = prefix.indexOf("\n", prefix.length - scanLimit);
  return prefix.slice(from < 0 ? prefix.length - scanLimit : from + 1);
}

/**
 * The innermost brackets that nothing after the cursor closes. A closer that comes first on its line closes the bracket
 * whose line is indented alike, which tells a forgotten inner brace from the outer one that is there; a brace indented
 * more than any line with an open one belongs to something still to be written.
 */
function leftOpen(open: readonly OpenBracket[], suffix: Scanner): { closable: OpenBracket[]; spareClosers: string[] } {
  const rest = [...open];
  const closed = new Set<OpenBracket>();
  const spareClosers: string[] = [];
  for (const closer of suffix.unmatched) {
    const deeper = (bracket: OpenBracket) =>
      closer.close === "}" && closer.indent !== undefined && closer.indent > bracket.indent;
    const fits = (bracket: OpenBracket) => bracket.close === closer.close && !deeper(bracket);
    let at = closer.indent === undefined ? -1 : rest.findLastIndex((b) => fits(b) && b.indent === closer.indent);
    if (at < 0) at = rest.findLastIndex(fits);
    const bracket = rest[at];
    if (bracket === undefined) spareClosers.push(closer.close);
    else {
      closed.add(bracket);
      rest.length = at;
    }
    // Below the end of a construct of the top level nothing belongs to the cursor.
    if (closer.indent === 0) break;
  }
  const count = countTrailing(open, (bracket) => !closed.has(bracket));
  return { closable: open.slice(open.length - count), spareClosers };
}

function countTrailing<T>(items: readonly T[], holds: (item: T) => boolean): number {
  return items.length - 1 - items.findLastIndex((item) => !holds(item));
}

/** What {@link extentAt} looks at. */
type CursorLines = Pick<CursorSyntax, "syntax" | "linePrefix" | "lineSuffix" | "lineBelow" | "atCursor"> & {
  readonly lineAbove: string | undefined;
};

type Extents = Pick<CursorSyntax, "extent" | "blockIndent" | "oneConstruct">;

/**
 * A block where the body of something is still empty, or where a comment announces a definition; otherwise one statement,
 * which may have several lines inside its brackets.
 */
function extentAt(lines: CursorLines, tree: CursorTree | undefined, atTree: SyntaxAtCursor | undefined): Extents {
  const { linePrefix, lineSuffix, atCursor } = lines;
  if (lineSuffix.trim() !== "") return toEnd("line");
  // Prose has no statements and no blocks: one line is enough.
  if (atCursor.insideComment || atCursor.insideString) return toEnd("line");
  // Right after `(` or `[`, code mostly continues on the same line.
  if (linePrefix.trim() !== "" && /[([]\s*$/.test(linePrefix)) return toEnd("statement");
  if (tree === undefined || atTree?.expected === undefined) return extentByLines(lines);
  const indent = indentOf(linePrefix);
  switch (atTree.expected) {
    case "body":
      return { extent: "block", blockIndent: indentOf(tree.line(atTree.headerLine)), oneConstruct: false };
    case "definition":
      return linePrefix.trim() === ""
        ? { extent: "block", blockIndent: indent - 1, oneConstruct: true }
        : toEnd("statement");
    case "statement":
      return toEnd("statement");
  }
}

function toEnd(extent: "line" | "statement"): Extents {
  return { extent, blockIndent: -1, oneConstruct: false };
}

/** {@link extentAt} without a tree: by the line above, the cursor's and the one below. */
function extentByLines({ syntax, linePrefix, lineAbove, lineBelow, atCursor }: CursorLines): Extents {
  const indent = indentOf(linePrefix);
  const block = (blockIndent: number): Extents => ({ extent: "block", blockIndent, oneConstruct: false });
  const isEmpty = (outer: number): boolean => lineBelow === undefined || indentOf(lineBelow) <= outer;
  if (linePrefix.trim() !== "")
    return opensBlock(syntax, linePrefix, atCursor) && isEmpty(indent) ? block(indent) : toEnd("statement");
  if (lineAbove === undefined) return toEnd("statement");
  const outer = indentOf(lineAbove);
  if (opensBlock(syntax, lineAbove, atCursor)) {
    // A cursor that is not indented deeper than the header: the body is still to be indented.
    const inside = indent > outer || indent === 0 || (syntax.blocks === "indent" && indent === outer);
    if (inside && isEmpty(outer)) return block(outer);
  }
  const isComment =
    syntax.lineComments.some((mark) => lineAbove.trimStart().startsWith(mark)) || lineAbove.trimEnd().endsWith("*/");
  return isComment && indent === 0 && outer === 0
    ? { extent: "block", blockIndent: -1, oneConstruct: true }
    : toEnd("statement");
}

function lastNonBlankLine(text: string): string | undefined {
  return text.split("\n").findLast((line) => line.trim() !== "");
}

/** Maximum characters of a line that are looked at: headers of blocks are short, generated lines are not. */
const maxHeaderLength = 400;

/** Whether the lines after `line` are the body of a block that it opens. */
function opensBlock(syntax: Syntax, line: string, atCursor: Scanner): boolean {
  const code = line.slice(-maxHeaderLength).trim();
  if (/[{([]$/.test(code)) return true;
  // A colon within brackets is a slice, a key or a type.
  if (syntax.opensBlock?.test(code) !== true) return false;
  return syntax.blocks === "indent" ? atCursor.open.length === 0 : !/\bend$/.test(code);
}

/** Whether `line` can only continue a construct of the lines before it: a closer, `else`, `end` and the like. */
export function continuesConstruct(line: string): boolean {
  return /^\s*(?:[)\]}]|(?:else|elif|elsif|except|catch|finally|rescue|ensure|end|fi|done|esac)\b)/.test(line);
}

/** Whether `line` holds only closers and what may follow them. */
export function isCloserLine(line: string): boolean {
  return /^\s*(?:(?:[)\]}]+[)\]},;]*)|(?:end|fi|done|esac)[;,)]*)\s*$/.test(line);
}

/** Whether `line` is a decorator, an annotation or an attribute of what stands below it. */
export function isDecorator(line: string): boolean {
  return /^\s*(?:@[\w.]+(?:\(.*\))?|#?\[\w.*\])\s*$/.test(line);
}
