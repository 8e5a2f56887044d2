// Closes or cuts a suggestion so that the document is no more broken with it than without it.
import { indentOf } from "../../languages/scanner";
import { closed, keepsBalance } from "../syntax/balance";
import { type CursorSyntax, closersAfter, isDecorator } from "../syntax/cursor";
import type { SuggestionFilter } from "./filter";
import { isInformative } from "./lines";

/** Maximum number of texts that are parsed, at a millisecond or two each. */
const maxParses = 12;
/** Maximum number of last lines that are cut one by one. */
const maxLineCuts = 12;

export const fitsDocument: SuggestionFilter = {
  name: "fits-document",
  apply(suggestion, { cursor }) {
    if (suggestion.trim() === "") return { text: suggestion };
    const tried = new Set<string>();
    let parses = 0;
    let reason: string | undefined;
    for (const text of versions(suggestion, cursor)) {
      if (text.trim() === "" || tried.has(text)) continue;
      tried.add(text);
      let why = whyUnfit(text, cursor);
      if (why === undefined) {
        parses += 1;
        if (isAccepted(text, cursor)) return { text };
        if (parses === maxParses) break;
        why = "adds a syntax error or changes the code around it";
      }
      reason ??= why;
    }
    return { reject: reason ?? "leaves nothing that fits" };
  },
};

/** The suggestion itself, then what is left of it: closed, with fewer lines, with fewer words. */
function* versions(suggestion: string, cursor: CursorSyntax): Generator<string> {
  const isLast = cursor.lineSuffix.trim() === "";
  if (isLast) {
    const lines = suggestion.split("\n");
    const min = Math.max(1, lines.length - maxLineCuts);
    for (let count = lines.length; count >= min; count--)
      yield* closings(lines.slice(0, count).join("\n").trimEnd(), cursor);
    yield* closings(firstLine(suggestion), cursor);
  } else yield* closings(suggestion, cursor);
  // The first words of a line are no statement.
  if (isLast && cursor.linePrefix.trim() === "") return;
  for (const cut of wordCuts(firstLine(suggestion), cursor.lineSuffix))
    yield* closings(isLast ? cut.trimEnd() : cut, cursor);
}

function firstLine(text: string): string {
  const start = text.search(/\S/);
  const end = text.indexOf("\n", start);
  return (end < 0 ? text : text.slice(0, end)).trimEnd();
}

/** `text`, and where a word follows the cursor with a space before it; then with its strings, brackets and blocks closed. */
function* closings(text: string, cursor: CursorSyntax): Generator<string> {
  yield text;
  if (lacksSpace(text, cursor)) yield `${text} `;
  const whole = closed(text, cursor);
  yield whole;
  if (cursor.syntax.semicolons && whole !== text) yield `${whole};`;
  if (cursor.syntax.blocks === "end") yield `${text}\n${/^\s*/.exec(cursor.linePrefix + text)?.[0] ?? ""}end`;
}

/**
 * The beginnings of a line that end with a word, a space or a sign, longest first. Last come those that end with a dot and
 * would make what follows the cursor a member of something else.
 */
function wordCuts(line: string, lineSuffix: string): string[] {
  const ends = [...line.matchAll(/[\p{L}\p{M}\p{N}_]+|[^\S\n]+|[^\p{L}\p{M}\p{N}_\s]/gu)]
    .map(({ index }) => index)
    .reverse();
  const member = /^[\p{L}\p{M}\p{N}_]+/u.exec(lineSuffix)?.[0];
  const makesMember = (end: number): boolean =>
    line.charAt(end - 1) === "." && member !== undefined && !line.startsWith(member, end);
  return [...ends.filter((end) => !makesMember(end)), ...ends.filter(makesMember)]
    .map((end) => line.slice(0, end))
    .filter((cut) => /[\p{L}\p{N}]/u.test(cut));
}

/** Why `text` does not fit between the texts around it; undefined where only a parser can tell. */
function whyUnfit(text: string, cursor: CursorSyntax): string | undefined {
  const { lineSuffix, atCursor } = cursor;
  if (text.includes("\n") && lineSuffix.trim() !== "") return "breaks the line after the cursor";
  if (lacksSpace(text, cursor)) return "grows together with the word after the cursor";
  const isCode = !atCursor.insideComment && !atCursor.insideString;
  if (isCode && /[;{}]\s*$/.test(text) && /^\s*[\p{L}\p{M}\p{N}_"'`([]/u.test(lineSuffix))
    return "ends a statement before the rest of the line";
  if (!keepsBalance(text, cursor)) return "leaves a bracket, a string or a comment open, or closes one too many";
  if (partsDecorator(text, cursor)) return "stands between a decorator and what it decorates";
  return whyRepeated(text, cursor);
}

/**
 * Whether the end of `text` and the word after the cursor become one word, or stand together where a space belongs: after a
 * comma, after an operator that has a space before it, and in prose.
 */
function lacksSpace(text: string, { linePrefix, lineSuffix, atCursor }: CursorSyntax): boolean {
  const isProse = (atCursor.insideComment || atCursor.insideString) && /\s$/.test(linePrefix);
  return (
    (isProse ? /\S$/ : /(?:[\p{L}\p{M}\p{N}_,]|\s[-+*/%=<>&|?:]+)$/u).test(text) &&
    /^[\p{L}\p{M}\p{N}_]/u.test(lineSuffix)
  );
}

/** Whether `text` puts anything but another decorator between the one above it and what that decorates. */
function partsDecorator(text: string, { linePrefix, lineSuffix, lineAbove, suffix }: CursorSyntax): boolean {
  if (lineSuffix.trim() !== "") return false;
  const decorator = linePrefix.trim() === "" ? lineAbove : /^\s*\n/.test(text) ? linePrefix : undefined;
  const lineBelow = /^[^\n]*\n([^\n]*)/.exec(suffix)?.[1] ?? "";
  if (decorator === undefined || !isDecorator(decorator) || !/^\s*[^\s)\]}]/.test(lineBelow)) return false;
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  return indentOf(lineBelow) === indentOf(decorator) && !lines.every(isDecorator);
}

/** Shorter texts may well be repeated, as in `0, 0, 0`. */
const minRepeatLength = 3;

/** Compares the text with the end of the cursor's line, and the lines as they would stand in the document with the ones around. */
function whyRepeated(text: string, { linePrefix, lineSuffix, lineAbove, lineBelow }: CursorSyntax): string | undefined {
  const own = text.trim();
  const isTelling = own.length >= minRepeatLength && /[\p{L}\p{N}]/u.test(own) && /[^\p{L}\p{M}\p{N}_]/u.test(own);
  if (isTelling && linePrefix.trimEnd().endsWith(own)) return "is the end of the line just typed";
  const lines = (linePrefix + text + lineSuffix).split("\n").filter((line) => line.trim() !== "");
  const isSame = (line: string | undefined, other: string | undefined): boolean =>
    line !== undefined && isInformative(line) && line.trim() === other?.trim();
  if (isSame(lines[0], lineAbove)) return "repeats the line above";
  return isSame(lines.at(-1), lineBelow) ? "repeats the line below" : undefined;
}

/**
 * Whether a parser finds no more errors with `text`, and the statement and the block around it unchanged. Where a bracket
 * of the code around the cursor's statement is never closed, errors tell little until it is.
 */
function isAccepted(text: string, cursor: CursorSyntax): boolean {
  const { tree, lineSuffix, closable, closableOfStatement } = cursor;
  if (tree === undefined) return true;
  const isOneLine = !text.trim().includes("\n");
  const agrees = (): boolean => tree.agrees(text, closersAfter(text, cursor)) !== false;
  if (tree.addsNoError(text) === false)
    return isOneLine && lineSuffix.trim() === "" && closable.length > closableOfStatement && agrees();
  return isOneLine || agrees();
}
