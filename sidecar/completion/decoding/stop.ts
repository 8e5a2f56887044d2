// Decides where a suggestion ends: at the end of the statement or block, or where the model starts to go round in circles.

import { indentOf, Scanner } from "../../languages/scanner";
import { type CursorSyntax, continuesConstruct, fitsRest, isCloserLine } from "../syntax/cursor";

export interface Stop {
  /** How much of the text stays, in UTF-16 units. */
  readonly length: number;
  readonly reason: "end-of-statement" | "end-of-block";
}

/**
 * The end of the suggestion within `text`, the text generated so far; undefined while it may go on. A function of the
 * text alone, so that the same text ends at the same place however it was cut into tokens. Time linear in `text`.
 */
export function findStop(text: string, cursor: CursorSyntax): Stop | undefined {
  const scanner = new Scanner(cursor.syntax, cursor.atCursor);
  const blockEnds = cursor.extent === "block" ? "end-of-block" : "end-of-statement";
  const rest = cursor.lineSuffix.trim();
  let lineStart = 0;
  let wentDeeper = false;

  for (let index = 0; index < text.length; ) {
    const character = text.charAt(index);
    if (character === "\n") {
      const line = text.slice(lineStart, index);
      const nested = scanner.insideMultiline || scanner.open.length > 0;
      const stop = endAtNewline(text, index, line, cursor, scanner, wentDeeper);
      if (stop === "wait") return undefined;
      if (stop !== undefined) return stop;
      if (nested || indentOf(text.slice(index + 1)) > cursor.blockIndent + 1) wentDeeper = true;
      lineStart = index + 1;
    }
    const closedBefore = scanner.unmatched.length;
    const next = scanner.step(text, index);
    const closer = scanner.unmatched[closedBefore];
    if (closer !== undefined && !mayClose(closer.close, closedBefore, cursor)) {
      return { length: index, reason: blockEnds };
    }
    index = next;
    if (rest !== "" && reachesRest(text, index, rest, cursor)) return { length: index, reason: blockEnds };
  }
  return undefined;
}

/**
 * Whether `text` up to `end` has come to the rest of the cursor's line: what follows stands in the document. A filter takes
 * the rest off.
 */
function reachesRest(text: string, end: number, rest: string, cursor: CursorSyntax): boolean {
  if (!text.endsWith(rest, end)) return false;
  const kept = text.slice(0, end - rest.length);
  if (/\w$/.test(kept) && /^\w/.test(rest)) return false;
  // A word that has come to its end so far may be going on.
  if (/\w$/.test(rest) && !/^\W/.test(text.slice(end))) return false;
  return fitsRest(kept, cursor);
}

function mayClose(close: string, alreadyClosed: number, cursor: CursorSyntax): boolean {
  return cursor.closable[cursor.closable.length - 1 - alreadyClosed]?.close === close;
}

function endAtNewline(
  text: string,
  index: number,
  line: string,
  cursor: CursorSyntax,
  scanner: Scanner,
  wentDeeper: boolean,
): Stop | "wait" | undefined {
  const before = text.slice(0, index);
  const hasContent = before.trim() !== "";
  if (cursor.extent === "line") return { length: index, reason: "end-of-statement" };
  if (scanner.insideMultiline) return undefined;

  if (cursor.extent === "statement") {
    if (/\\\s*$/.test(line)) return undefined;
    const owed = Math.max(0, cursor.closableOfStatement - scanner.unmatched.length);
    const depth = scanner.open.length + owed;
    if (!hasContent && cursor.linePrefix.trim() === "") return undefined;
    if (depth === 0 && goesOnBelow(before.includes("\n") ? line : cursor.linePrefix + line, cursor, scanner))
      return undefined;
    // The header of a block is a statement of its own: the block is the next suggestion.
    if (depth === 0 || (depth === 1 && headsBlock(cursor.linePrefix + before)))
      return { length: index, reason: "end-of-statement" };
    const innermost = scanner.open.at(-1) ?? cursor.closable[cursor.closable.length - 1 - scanner.unmatched.length];
    if (innermost === undefined || innermost.close === "}" || !hasContent) return undefined;
    const goesOn = scanner.insideComment ? undefined : goesOnInBracket(line, text.slice(index + 1));
    return goesOn === false ? { length: index, reason: "end-of-statement" } : goesOn;
  }

  if (!hasContent) return undefined;
  // The block was opened by a bracket at the cursor, and it is closed: nothing of it can follow.
  if (scanner.unmatched.length > 0) return { length: index, reason: "end-of-block" };
  if (before.includes("\n") && indentOf(line) <= cursor.blockIndent) return { length: index, reason: "end-of-block" };
  if (scanner.open.length > 0) return undefined;
  const following = /^(?:[ \t]*\r?\n)*([^\n]*)/.exec(text.slice(index + 1));
  const nextLine = following?.[1] ?? "";
  const blankLines = (following?.[0].length ?? 0) > nextLine.length;
  // A blank line ends what belongs together.
  if (blankLines) return { length: index, reason: "end-of-block" };
  if (nextLine.trim() === "") return "wait";
  const indent = indentOf(nextLine);
  if (indent > cursor.blockIndent) {
    const constructDone = cursor.oneConstruct && wentDeeper && indent === cursor.blockIndent + 1;
    return constructDone && !continues(nextLine) ? { length: index, reason: "end-of-block" } : undefined;
  }
  if (closesHere(nextLine, indent, cursor)) return undefined;
  return { length: index, reason: "end-of-block" };
}

/** Whether `line` is no whole statement although its brackets are closed: what is written before one, or half of one. */
function goesOnBelow(line: string, { syntax }: CursorSyntax, { insideComment }: Scanner): boolean {
  const code = line.trim();
  if (insideComment || code === "") return false;
  if (/^@[\w.]+(?:\(.*\))?$/.test(code)) return true;
  // Directives of a preprocessor, entries of a list and labels end with their line.
  return syntax.semicolons && !/[;{},:]$|\*\/$/.test(code) && !/^#\s*\w/.test(code);
}

/**
 * Undefined where a list or an expression in brackets goes on after `line`, "wait" where what follows is too short to
 * tell, false where it cannot: a model that has lost track of a bracket would otherwise never come to an end.
 */
function goesOnInBracket(line: string, rest: string): "wait" | undefined | false {
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

/** Whether the line that leaves the block is the closer that the block still lacks. */
function closesHere(line: string, indent: number, { blockIndent, closable, lineBelow, syntax }: CursorSyntax): boolean {
  if (indent !== blockIndent) return false;
  if (syntax.blocks !== "end") return closable.at(-1)?.close === line.trim().charAt(0);
  const isThere = lineBelow !== undefined && isCloserLine(lineBelow) && indentOf(lineBelow) === blockIndent;
  return !isThere && (isCloserLine(line) || /^(?:e|en|f|d|do|don|es|esa)$/.test(line.trim()));
}

const longestHeader = 400;

/** Whether `text` ends in a bracket that opens the body of a function, a class or a control statement. */
function headsBlock(text: string): boolean {
  // The header of a block is short; a line a machine wrote need not be searched.
  const code = text.trimEnd().slice(-longestHeader);
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

/** Shortest run of periods taken for a loop: a long period needs fewer repetitions to be one. */
const repetitions = (period: number): number => (period === 1 ? 12 : period <= 3 ? 6 : period <= 8 ? 4 : 3);
const longestPeriod = 32;

/**
 * How many of `tokens` to keep when they end in a loop (the same run of tokens over and over): all up to the end of its
 * first round; undefined where there is none.
 */
export function loopCut(tokens: readonly number[]): number | undefined {
  for (let period = 1; period <= longestPeriod; period++) {
    const needed = period * repetitions(period);
    if (needed > tokens.length) continue;
    let same = true;
    for (let at = tokens.length - 1; same && at >= tokens.length - needed + period; at--)
      same = tokens[at] === tokens[at - period];
    if (same) return tokens.length - needed + period;
  }
  return undefined;
}

/**
 * What is left of a text that was cut off by a limit: a suggestion of several lines loses the line it was cut in.
 */
export function dropCutLine(text: string, cursor: CursorSyntax): string {
  if (cursor.extent === "line") return text;
  const end = text.lastIndexOf("\n");
  const whole = end < 0 ? "" : text.slice(0, end);
  return whole.trim() === "" ? text : whole;
}
