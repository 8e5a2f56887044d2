// The part of the open document that the prompt shows, and which fragments would only repeat it.
import { normalUri } from "../host/paths";
import type { Tokenizer } from "../inference/tokenizer";
import type { Fragment } from "../workspace/fragment";
import type { CursorContext } from "./types";

/** The text around the cursor that the model reads anyway. Lines are 1-based and inclusive. */
export interface VisibleText {
  /** As fragments have it. */
  readonly uri: string;
  readonly startLine: number;
  readonly endLine: number;
  /** Whether it is a cell of a notebook, whose lines are not counted as those of the notebook's file are. */
  readonly isCell: boolean;
  /** Its lines, trimmed, without uninformative ones (blank lines, lone brackets). */
  readonly lines: ReadonlySet<string>;
  /** Maximum tokens of code that the prompt shows. */
  readonly maxTokens: number;
}

/** Maximum characters of the suffix in a prompt. */
export const maxSuffixCharacters = 384;
/** First guess of the characters in a token; the text is doubled while that turns out too little. */
const charactersPerToken = 5;
/** A fragment of which this share of the lines is visible already has nothing to add. */
const maxVisibleShare = 0.6;

/** The most of `context` that a prompt with `maxTokens` tokens of code can show. */
export function visibleText(context: CursorContext, maxTokens: number, tokenizer: Tokenizer): VisibleText {
  const before = lastTokens(context.prefix, maxTokens, tokenizer);
  const after = context.suffix.slice(0, maxSuffixCharacters);
  const cursorLine = countNewlines(context.prefix) + 1;
  return {
    uri: normalUri(context.notebookUri ?? context.uri),
    isCell: context.notebookUri !== undefined,
    startLine: cursorLine - countNewlines(before),
    endLine: cursorLine + countNewlines(after),
    lines: new Set(informativeLines(before + after)),
    maxTokens,
  };
}

/** Why the prompt shows what the fragment says anyway, in words; undefined where the fragment says something new. */
export function alreadyVisible(fragment: Fragment, visible: VisibleText): string | undefined {
  const isOwn = fragment.uri === visible.uri;
  if (isOwn && !visible.isCell && fragment.startLine <= visible.endLine && fragment.endLine >= visible.startLine)
    return `overlaps lines ${visible.startLine}-${visible.endLine} of this file, which the model sees already`;
  const lines = informativeLines(fragment.text);
  if (lines.length === 0) return "holds no words";
  if (isOwn && visible.isCell && lines.some((line) => visible.lines.has(line)))
    return "overlaps the cells of this notebook that the model sees already";
  const share = lines.filter((line) => visible.lines.has(line)).length / lines.length;
  return share >= maxVisibleShare
    ? `${Math.round(share * 100)} % of its lines stand around the cursor already`
    : undefined;
}

/** Lines of `text`, trimmed, that hold at least one word. */
export function informativeLines(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => /[\p{L}\p{M}\p{N}_]{2}/u.test(line));
}

/** The last `count` tokens of `text`, from the start of their first line. */
function lastTokens(text: string, count: number, tokenizer: Tokenizer): string {
  for (let width = count * charactersPerToken; width < text.length; width *= 2) {
    const ids = tokenizer.encode(text.slice(-width));
    if (ids.length <= count) continue;
    const shown = tokenizer.decode(ids.slice(-count)).length;
    return text.slice(text.lastIndexOf("\n", text.length - shown) + 1);
  }
  return text;
}

function countNewlines(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) count += 1;
  return count;
}
