// What the text around the cursor says: the line it stands in, what is open there, and how far a suggestion may go.
import type { CursorContext } from "../retrieval/retrieval";
import { indentOf, Scanner, syntaxOf, type OpenBracket, type Syntax } from "./syntax";

/**
 * How far a suggestion reaches:
 * `line` to the end of the line, `statement` to the newline where its brackets are closed, `block` over the lines of a block.
 */
export type Extent = "line" | "statement" | "block";

export interface CursorSyntax {
  readonly syntax: Syntax;
  /** The cursor's line up to the cursor. */
  readonly linePrefix: string;
  /** The cursor's line from the cursor on, without its line break. */
  readonly lineSuffix: string;
  /** The first line below the cursor's that is not blank. */
  readonly lineBelow: string | undefined;
  readonly extent: Extent;
  /** With extent `block`: lines indented less than or as far as this end the block; -1 at the top level of a file. */
  readonly blockIndent: number;
  /** The state of strings and comments at the cursor. */
  readonly atCursor: Scanner;
  /** Brackets open at the cursor that the text after it leaves open, outermost first: what a suggestion may close. */
  readonly closable: readonly OpenBracket[];
  /** Closers after the cursor that nothing before it waits for: a suggestion may open what they close, innermost first. */
  readonly spareClosers: readonly string[];
  /** Whether the code before the cursor cannot end there: after a dot, an operator, or with a bracket of its statement open. */
  readonly unfinished: boolean;
  /** How many of `closable`, the innermost ones, belong to the statement the cursor is in. */
  readonly closableOfStatement: number;
}

/** Characters read on either side: enough for any file a person edits, bounded for those a machine wrote. */
const scanLimit = 65536;

/** Reads the surroundings of the cursor. Takes time linear in at most 64 Ki characters on either side. */
export function readCursor(context: CursorContext): CursorSyntax {
  const syntax = syntaxOf(context.languageId);
  const prefix = tailFromLineStart(context.prefix);
  const suffix = context.suffix.slice(0, scanLimit);
  const lineStart = prefix.lastIndexOf("\n") + 1;
  const linePrefix = prefix.slice(lineStart);
  const lineSuffix = /^[^\r\n]*/.exec(suffix)?.[0] ?? "";

  const lineBelow = suffix.slice(lineSuffix.length).split("\n", 64).find((line) => line.trim() !== "");

  const atCursor = new Scanner(syntax).read(prefix);
  const { closable, spareClosers } = leftOpen(atCursor.open, new Scanner(syntax, atCursor).read(suffix));
  const closableOfStatement = countTrailing(
    closable,
    (bracket) => bracket.offset >= lineStart || bracket.open !== "{",
  );
  const { extent, blockIndent } = extentAt(syntax, prefix, linePrefix, lineSuffix, atCursor);
  const unfinished = !atCursor.insideComment && !atCursor.insideString && (closableOfStatement > 0 || wantsMore.test(linePrefix.slice(-longestHeader)));
  return { syntax, linePrefix, lineSuffix, lineBelow, extent, blockIndent, atCursor, closable, spareClosers, unfinished, closableOfStatement };
}

/** What no statement ends with in any of the languages. */
const wantsMore = /(?:[\w)\]]\.|::|[^+]\+|[^-]-|[=*/%&|<]|\b(?:import|from|new|await|and|or|not|in|extends|implements|throw|raise))[ \t]*$/;

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
    const deeper = (bracket: OpenBracket) => closer.close === "}" && closer.indent !== undefined && closer.indent > bracket.indent;
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

function extentAt(
  syntax: Syntax,
  prefix: string,
  linePrefix: string,
  lineSuffix: string,
  atCursor: Scanner,
): { extent: Extent; blockIndent: number } {
  const line = { extent: "line", blockIndent: -1 } as const;
  if (lineSuffix.trim() !== "") return line;
  // Prose has no statements and no blocks: a line of it is enough.
  if (atCursor.insideComment || atCursor.insideString) return line;

  if (linePrefix.trim() !== "") {
    // Right after `(` or `[` one goes on in the line more often than not.
    if (!/[([]\s*$/.test(linePrefix) && opensBlock(syntax, linePrefix, atCursor)) {
      return { extent: "block", blockIndent: indentOf(linePrefix) };
    }
    return { extent: "statement", blockIndent: -1 };
  }
  const before = lastNonBlankLine(prefix.slice(0, prefix.length - linePrefix.length));
  const indent = indentOf(linePrefix);
  if (before !== undefined && opensBlock(syntax, before, atCursor)) {
    const outer = indentOf(before);
    // A cursor no deeper than the header: its inside is still to be indented.
    const inside = indent > outer || indent === 0 || (syntax.blocks === "indent" && indent === outer);
    if (inside) return { extent: "block", blockIndent: outer };
  }
  return { extent: "block", blockIndent: indent - 1 };
}

function lastNonBlankLine(text: string): string | undefined {
  return text.split("\n").findLast((line) => line.trim() !== "");
}

const endOpeners = /^(?:def|class|module|if|unless|while|until|case|begin|for|function|local function)\b|\bdo(?:\s*\|[^|]*\|)?$|\bthen$/;

/** Characters of a line that are looked at: headers of blocks are short, and lines that machines wrote are not. */
const longestHeader = 400;

/** Whether what follows `line` is the inside of something that `line` begins. */
function opensBlock(syntax: Syntax, line: string, atCursor: Scanner): boolean {
  const code = line.slice(-longestHeader).trim();
  if (/[{([]$/.test(code)) return true;
  // A colon within brackets is a slice, a key or a type.
  if (syntax.blocks === "indent") return atCursor.open.length === 0 && /^(?:[A-Za-z_@-].*|\*.*|- .*|\}.*):$/.test(code);
  if (syntax.blocks === "end") return endOpeners.test(code) && !/\bend$/.test(code);
  return false;
}

/** Whether `line` can only go on a construct that stood before it: a closer, `else`, `end` and their like. */
export function continuesConstruct(line: string): boolean {
  return /^\s*(?:[)\]}]|(?:else|elif|elsif|except|catch|finally|rescue|ensure|end|fi|done|esac)\b)/.test(line);
}

/** Whether `line` is only closers and what may stand beside them. */
export function isCloserLine(line: string): boolean {
  return /^\s*(?:(?:[)\]}]+[)\]},;]*)|(?:end|fi|done|esac)[;,)]*)\s*$/.test(line);
}
