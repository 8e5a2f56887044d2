// Compares the brackets, strings and comments of the document with and without a text at the cursor, and closes what it opens.
import { syntaxOf } from "../../languages/languages";
import { type OpenBracket, Scanner } from "../../languages/scanner";
import type { CursorSyntax } from "./cursor";

/** What is scanned on either side of an insertion. */
type Surroundings = Pick<
  CursorSyntax,
  "syntax" | "atCursor" | "afterCursor" | "lineSuffix" | "suffix" | "spareClosers"
>;

/** What is not in balance. */
interface Imbalance {
  readonly unclosedBrackets: number;
  readonly unmatchedClosers: number;
  /** A string of one line that its line does not end. */
  readonly openString: boolean;
  /** A comment of several lines that the cursor's line does not end. */
  readonly openComment: boolean;
  /** A string of several lines that nothing below ends. */
  readonly openLongString: boolean;
}

/** Whether brackets, strings and comments are as much in balance with `text` at the cursor as they are without. */
export function keepsBalance(text: string, cursor: CursorSyntax): boolean {
  if (!isNoWorse(imbalanceWith(text, cursor), imbalanceWith("", cursor))) return false;
  if (!staysInProse(text, cursor)) return keepsCommentBalance(text, cursor);
  const prose = proseAround(cursor);
  return isNoWorse(imbalanceWith(text, prose), imbalanceWith("", prose));
}

/** Whether the brackets of a comment that `text` begins and does not end are in balance. */
function keepsCommentBalance(text: string, { syntax, atCursor }: CursorSyntax): boolean {
  const scanner = new Scanner(syntax, atCursor).read(text);
  if (!scanner.insideComment || atCursor.insideComment) return true;
  const prose = proseWith("", "");
  return isNoWorse(imbalanceWith(text.slice(scanner.insideStart), prose), imbalanceWith("", prose));
}

function isNoWorse(one: Imbalance, other: Imbalance): boolean {
  return (
    one.unclosedBrackets <= other.unclosedBrackets &&
    one.unmatchedClosers <= other.unmatchedClosers &&
    (!one.openString || other.openString) &&
    (!one.openComment || other.openComment) &&
    (!one.openLongString || other.openLongString)
  );
}

function imbalanceWith(text: string, { syntax, atCursor, afterCursor, lineSuffix, suffix }: Surroundings): Imbalance {
  const inserted = new Scanner(syntax, atCursor).read(text);
  const atLineEnd = new Scanner(syntax, inserted).read(lineSuffix);
  const openString = atLineEnd.insideString && !atLineEnd.insideMultiline;
  // A string of one line changes nothing below, and the text below may be long.
  const after = openString || inserted.isLike(atCursor) ? afterCursor : new Scanner(syntax, inserted).read(suffix);
  const kinds = [")", "]", "}"].map((close) => {
    const count = (brackets: readonly { readonly close: string }[]): number =>
      brackets.filter((bracket) => bracket.close === close).length;
    const before = count(atCursor.open) - count(inserted.unmatched);
    const open = Math.max(0, before) + count(inserted.open) - count(after.unmatched);
    return {
      unclosed: Math.max(0, open) + count(after.open),
      unmatched: Math.max(0, -before) + Math.max(0, -open),
    };
  });
  return {
    unclosedBrackets: kinds.reduce((sum, { unclosed }) => sum + unclosed, inserted.mismatches + after.mismatches),
    unmatchedClosers: kinds.reduce((sum, { unmatched }) => sum + unmatched, 0),
    openString,
    openComment: atLineEnd.insideComment && atLineEnd.insideMultiline,
    openLongString: after.insideString && after.insideMultiline,
  };
}

/** Whether the cursor is in a comment or string and `text` does not end it. */
function staysInProse(text: string, { syntax, atCursor }: CursorSyntax): boolean {
  if (!atCursor.insideComment && !atCursor.insideString) return false;
  return new Scanner(syntax, atCursor).read(text).isLike(atCursor);
}

/** The string or comment around the cursor, read as text: there, brackets count and quotes do not. */
function proseAround({
  insidePrefix,
  atCursor: { until, insideMultiline },
  lineSuffix,
  suffix,
}: CursorSyntax): Surroundings {
  const following = insideMultiline ? suffix : lineSuffix;
  const end = until === "" ? -1 : following.indexOf(until);
  return proseWith(insidePrefix, following.slice(0, end < 0 ? lineSuffix.length : end));
}

function proseWith(prefix: string, suffix: string): Surroundings {
  const syntax = syntaxOf("plaintext");
  const atCursor = new Scanner(syntax).read(prefix);
  const afterCursor = new Scanner(syntax, atCursor).read(suffix);
  return { syntax, atCursor, afterCursor, lineSuffix: suffix, suffix, spareClosers: [] };
}

/** Signs after which an expression goes on: nothing can be closed right behind them. */
const unfinishedEnd = /[\s,.:=+*/&|<-]+$/;

/**
 * `text` with what closes the strings, comments and brackets that it opens and that nothing after the cursor closes. A
 * brace at the end of its line is closed on a line of its own.
 */
export function closed(text: string, cursor: CursorSyntax): string {
  const isProse = staysInProse(text, cursor);
  const surroundings = isProse ? { ...cursor, ...proseAround(cursor) } : cursor;
  const isLast = cursor.lineSuffix.trim() === "";
  let result = text.trimEnd();
  const scanner = new Scanner(surroundings.syntax, surroundings.atCursor).read(result);
  if (!scanner.isLike(surroundings.atCursor)) result += endOfInside(result, scanner, cursor);
  for (const { open, close, offset } of neverClosed(result, surroundings)) {
    const inside = result.slice(offset + open.length);
    const endsLine = /^[^\S\n]*(?:\n|$)/.test(inside);
    const ownLine = endsLine && (open === "{" || inside.trim() !== "");
    // Code behind a comment would be part of it.
    const inComment = new Scanner(surroundings.syntax, surroundings.atCursor).read(result).insideComment;
    if (isLast && !isProse && (ownLine || inComment)) result += `\n${indentationAt(result, offset, cursor)}${close}`;
    else result = `${result.replace(unfinishedEnd, "")}${close}`;
  }
  return result;
}

/** The brackets that `text` opens, innermost first, but those for which there are closers after the cursor that close nothing else. */
function neverClosed(text: string, { syntax, atCursor, spareClosers }: Surroundings): OpenBracket[] {
  const { open } = new Scanner(syntax, atCursor).read(text);
  for (const close of spareClosers) if (open.at(-1)?.close === close) open.pop();
  return open.reverse();
}

/** What ends the string or comment at the end of `text`. */
function endOfInside(text: string, scanner: Scanner, cursor: CursorSyntax): string {
  const { until } = scanner;
  if (until === "" || !scanner.insideMultiline) return until;
  if (text.trim().includes("\n")) {
    const line = scanner.insideComment ? text.length : text.search(/\S/);
    return `\n${indentationAt(text, line, cursor)}${until}`;
  }
  return scanner.insideComment ? ` ${until}` : until;
}

/** The white space at the start of the line of `text` that holds `offset`. */
function indentationAt(text: string, offset: number, { linePrefix }: CursorSyntax): string {
  const start = text.lastIndexOf("\n", offset - 1) + 1;
  return /^[^\S\n]*/.exec(start === 0 ? linePrefix + text : text.slice(start))?.[0] ?? "";
}
