// Decides where a suggestion ends: at the end of its statement or block, or where the model begins to repeat itself.

import { indentOf, Scanner } from "../../languages/scanner";
import { type CursorSyntax, continuesConstruct, fitsRest, isCloserLine, isDecorator } from "../syntax/cursor";

export interface Stop {
  /** Length of the text up to there, in UTF-16 units. */
  readonly length: number;
  readonly reason: "end-of-statement" | "end-of-block";
}

/**
 * The end of the suggestion within `text`, the text generated so far; undefined while it may go on. Depends on the text
 * alone, so that the same text ends at the same place however it was cut into tokens. Time linear in `text`.
 */
export function findStop(text: string, cursor: CursorSyntax): Stop | undefined {
  const scanner = new Scanner(cursor.syntax, cursor.atCursor);
  const reason = cursor.extent === "block" ? "end-of-block" : "end-of-statement";
  const rest = cursor.lineSuffix.trim();
  const lines: LineState = { lineStart: 0, wentDeeper: false };
  for (let index = 0; index < text.length; ) {
    if (text.charAt(index) === "\n") {
      const stop = stopAtNewline({ text, index, cursor, scanner }, lines);
      if (stop !== undefined) return stop === "wait" ? undefined : stop;
    }
    const closedBefore = scanner.unmatched.length;
    const next = scanner.step(text, index);
    const closer = scanner.unmatched[closedBefore];
    if (closer !== undefined && !mayClose(closer.close, closedBefore, cursor)) return { length: index, reason };
    index = next;
    if (rest !== "" && reachesRest(text, index, rest, cursor)) return { length: index, reason };
  }
  return undefined;
}

/**
 * Whether `text` up to `end` has reached the rest of the cursor's line: what follows stands in the document. A filter
 * removes the rest.
 */
function reachesRest(text: string, end: number, rest: string, cursor: CursorSyntax): boolean {
  if (!text.endsWith(rest, end)) return false;
  const before = text.slice(0, end - rest.length);
  if (/\w$/.test(before) && /^\w/.test(rest)) return false;
  // A word at the end of what is generated so far may still grow.
  if (/\w$/.test(rest) && !/^\W/.test(text.slice(end))) return false;
  return fitsRest(before, cursor);
}

function mayClose(close: string, alreadyClosed: number, cursor: CursorSyntax): boolean {
  return cursor.closable[cursor.closable.length - 1 - alreadyClosed]?.close === close;
}

/** What is known of the lines of a text so far. */
interface LineState {
  lineStart: number;
  /** Whether a line was indented deeper than the first level of the block, or stood inside a bracket. */
  wentDeeper: boolean;
}

/** A text that is read up to the newline at `index`, with the scanner there. */
interface Newline {
  readonly text: string;
  readonly index: number;
  readonly cursor: CursorSyntax;
  readonly scanner: Scanner;
}

/** "wait" where it takes more text to tell. */
type Verdict = Stop | "wait" | undefined;

function stopAtNewline(newline: Newline, state: LineState): Verdict {
  const { text, index, cursor, scanner } = newline;
  const line = text.slice(state.lineStart, index);
  const stop = verdictAt(newline, line, state.wentDeeper);
  if (stop !== undefined) return stop;
  const isNested = scanner.insideMultiline || scanner.open.length > 0;
  if (isNested || indentOf(text.slice(index + 1)) > cursor.blockIndent + 1) state.wentDeeper = true;
  state.lineStart = index + 1;
  return undefined;
}

function verdictAt(newline: Newline, line: string, wentDeeper: boolean): Verdict {
  const { index, cursor, scanner } = newline;
  if (cursor.extent === "line") return { length: index, reason: "end-of-statement" };
  if (scanner.insideMultiline) return undefined;
  return cursor.extent === "statement" ? endOfStatement(newline, line) : endOfBlock(newline, line, wentDeeper);
}

function endOfStatement({ text, index, cursor, scanner }: Newline, line: string): Verdict {
  const before = text.slice(0, index);
  const hasContent = before.trim() !== "";
  const end: Stop = { length: index, reason: "end-of-statement" };
  if (/\\\s*$/.test(line)) return undefined;
  if (!hasContent && cursor.linePrefix.trim() === "") return undefined;
  const stillOpen = Math.max(0, cursor.closableOfStatement - scanner.unmatched.length);
  const depth = scanner.open.length + stillOpen;
  if (depth === 0)
    return continuesBelow(before.includes("\n") ? line : cursor.linePrefix + line, cursor, scanner) ? undefined : end;
  // The header of a block is a statement of its own: the block is the next suggestion.
  if (depth === 1 && headsBlock(cursor.linePrefix + before)) return end;
  const innermost = scanner.open.at(-1) ?? cursor.closable[cursor.closable.length - 1 - scanner.unmatched.length];
  if (innermost === undefined || innermost.close === "}" || !hasContent || scanner.insideComment) return undefined;
  const verdict = continuesInBracket(line, text.slice(index + 1));
  return verdict === false ? end : verdict;
}

function endOfBlock({ text, index, cursor, scanner }: Newline, line: string, wentDeeper: boolean): Verdict {
  const before = text.slice(0, index);
  const end: Stop = { length: index, reason: "end-of-block" };
  if (before.trim() === "") return undefined;
  // The block was opened by a bracket at the cursor, and it is closed: nothing of it can follow.
  if (scanner.unmatched.length > 0) return end;
  if (before.includes("\n") && indentOf(line) <= cursor.blockIndent) return end;
  if (scanner.open.length > 0) return undefined;
  const following = /^(?:[ \t]*\r?\n)*([^\n]*)/.exec(text.slice(index + 1));
  const nextLine = following?.[1] ?? "";
  // A blank line ends what belongs together.
  if ((following?.[0].length ?? 0) > nextLine.length) return end;
  if (nextLine.trim() === "") return "wait";
  const indent = indentOf(nextLine);
  if (indent <= cursor.blockIndent) return closesBlock(nextLine, indent, cursor) ? undefined : end;
  const isDone = cursor.oneConstruct && wentDeeper && indent === cursor.blockIndent + 1;
  return isDone && !continues(nextLine) ? end : undefined;
}

/** Whether `line` is not a whole statement although its brackets are closed: a decorator, or the first half of one. */
function continuesBelow(line: string, { syntax, suffix }: CursorSyntax, { insideComment }: Scanner): boolean {
  const code = line.trim();
  if (insideComment || code === "") return false;
  // What it decorates may be there already.
  if (isDecorator(code)) return !/^[^\S\n]*\n[^\S\n]*[^\s)\]}]/.test(suffix);
  // Directives of a preprocessor, entries of a list and labels end with their line.
  return syntax.semicolons && !/[;{},:]$|\*\/$/.test(code) && !/^#\s*\w/.test(code);
}

/**
 * Undefined where a list or an expression in brackets continues after `line`, "wait" where what follows is too short to
 * tell, false where it does not continue: a model that has lost track of a bracket would otherwise never stop.
 */
function continuesInBracket(line: string, rest: string): "wait" | undefined | false {
  if (/(?:[,([{:+\-*/%&|^=<>?!~.\\"'`]|\b(?:and|or|not|in|if|else|for|new|return|await|is|as))$/.test(line.trimEnd()))
    return undefined;
  const next = rest.trimStart();
  if (next.length < 2 || (!next.includes("\n") && /^[a-z]{1,10}$/.test(next))) return "wait";
  return /^(?:[)\]}.?:&|+\-*/%=<>,"'`#]|(?:for|if|else|and|or|not|in|is|as|async|instanceof|where|satisfies)\b)/.test(
    next,
  )
    ? undefined
    : false;
}

/** The word at the start of a line may still be growing: `e` could become `else`. */
function continues(line: string): boolean {
  return continuesConstruct(line) || /^[a-z]{1,6}$/.test(line.trim());
}

/** Whether the first line that is not inside the block is the closer that the block still lacks. */
function closesBlock(
  line: string,
  indent: number,
  { blockIndent, closable, lineBelow, syntax }: CursorSyntax,
): boolean {
  if (indent !== blockIndent) return false;
  if (syntax.blocks !== "end") return closable.at(-1)?.close === line.trim().charAt(0);
  const isThere = lineBelow !== undefined && isCloserLine(lineBelow) && indentOf(lineBelow) === blockIndent;
  return !isThere && (isCloserLine(line) || /^(?:e|en|f|d|do|don|es|esa)$/.test(line.trim()));
}

const maxHeaderLength = 400;

/** Whether `text` ends in a bracket that opens the body of a function, a class or a control statement. */
function headsBlock(text: string): boolean {
  // The header of a block is short; a line a machine wrote need not be searched.
  const code = text.trimEnd().slice(-maxHeaderLength);
  if (!code.endsWith("{")) return false;
  const start = code.lastIndexOf("\n") + 1;
  const line = code.slice(start).trim();
  return (
    /(?:\)|=>|\b(?:else|try|finally|do))\s*(?:->\s*[^{]+|:\s*[^{=]+|throws [^{]+|const\s*|override\s*|noexcept\s*)?\{$/.test(
      line,
    ) ||
    /^(?:export |default |public |private |protected |internal |static |abstract |final |sealed |pub(?:\([a-z]+\))? |declare |async |unsafe )*(?:class|interface|enum|struct|trait|impl|namespace|module|fn|func|function|match|switch|if|for|while|loop|unsafe|extern|mod|union|record|type \w+ (?:struct|interface))\b/.test(
      line,
    )
  );
}

/** How many repetitions make a loop: the longer the period, the fewer. */
const minRepetitions = (period: number): number => (period === 1 ? 12 : period <= 3 ? 6 : period <= 8 ? 4 : 3);
const maxPeriod = 32;

/**
 * The length to which `tokens` are cut when they end in a loop (the same tokens over and over): up to the end of the loop's
 * first round; undefined where there is no loop.
 */
export function loopCut(tokens: readonly number[]): number | undefined {
  for (let period = 1; period <= maxPeriod; period++) {
    const needed = period * minRepetitions(period);
    if (needed > tokens.length) continue;
    let same = true;
    for (let at = tokens.length - 1; same && at >= tokens.length - needed + period; at--)
      same = tokens[at] === tokens[at - period];
    if (same) return tokens.length - needed + period;
  }
  return undefined;
}

/** `text` up to about `length`, where it began to repeat itself: without the line cut there, or with the whole word. */
export function cutRepetition(text: string, length: number, cursor: CursorSyntax): string {
  const cut = text.slice(0, length);
  const restOfWord = endsInWord.test(cut) ? (startOfWord.exec(text.slice(length))?.[0] ?? "") : "";
  return wholeLines(cut, cursor) ?? withoutOpenEnd(cut + restOfWord);
}

/** A text cut off by a limit, without the line or the word that was cut. */
export function cutAtLimit(text: string, cursor: CursorSyntax): string {
  return wholeLines(text, cursor) ?? withoutOpenEnd(text.replace(endsInWord, ""));
}

const endsInWord = /[\p{L}\p{M}\p{N}_]+$/u;
const startOfWord = /^[\p{L}\p{M}\p{N}_]+/u;

/** `text` without the opening brackets and quotes at its end. */
function withoutOpenEnd(text: string): string {
  return text.replace(/(?:[\s([{]|(?<=[\s,([{])["'`])+$/, "");
}

/** `text` without its last line; undefined where it has only one. */
function wholeLines(text: string, cursor: CursorSyntax): string | undefined {
  const end = cursor.extent === "line" ? -1 : text.lastIndexOf("\n");
  const lines = text.slice(0, Math.max(0, end));
  return lines.trim() === "" ? undefined : lines;
}
