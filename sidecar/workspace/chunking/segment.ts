// Cuts a file's lines into chunks where cutting costs least: the part that both chunkers share.

import { Pace } from "../../host/yield";
import type { Chunk } from "./chunker";

/** What cutting the text at one line means. */
export interface Boundary {
  /** Cost of beginning a chunk at this line. 0: a natural beginning. */
  readonly cut: number;
  /** Cost of keeping this line in one chunk with the line before. 0: they belong together as well as not. */
  readonly join: number;
}

/** Most lines of a chunk. */
export const maxLines = 20;
/** Lines (blank ones aside) below which a chunk is too little to be of use by itself. */
const minLines = 3;
/** Tokens a chunk aims at: what the model reads of a fragment, less its path and frame. */
const aimedTokens = 108;
/** Most tokens, as estimated, of a chunk of more than one line: what the model does not read is in the index and never found. */
export const maxTokens = 128;
/** For the first token too many, and for every further `aimedTokens`. */
const overCost = 2;
const overSlope = 8;
const chunkCost = 1;
const shortCost = 1;
/** A line that only closes what was opened before. */
const closing = /^(?:[)\]}>;,]+|end\b|fi\b|done\b|esac\b|\*\/|"""|''')[)\]};,.\s]*$/;
const closingCut = 9;
/** A line this long is data, not code that anyone would read: it is in no chunk, and no chunk goes on behind it. */
const longestLine = 2000;
const leastLetters = 6;
/** Lines; a longer comment is about the file. */
const longestLicence = 80;

/**
 * Chunks of at most {@link maxLines} lines and {@link maxTokens} tokens, cheapest in total by dynamic programming over the
 * lines that are not blank. Every line is in one, but for a licence at the top, overlong lines, and chunks of hardly a letter.
 * @param boundaryAt what beginning a chunk at line `index` (0-based) means; asked once a line
 */
export async function segment(lines: readonly string[], boundaryAt: (index: number) => Boundary): Promise<Chunk[]> {
  const pace = new Pace();
  const first = licenceEnd(lines);
  const kept: number[] = [];
  /** Kept lines that no chunk holds together with those before them. */
  const apart = new Set<number>();
  for (let i = first; i < lines.length; i++) {
    const line = lines[i] ?? "";
    if (line.length > longestLine) apart.add(kept.length);
    else if (line.trim() !== "") kept.push(i);
  }
  const n = kept.length;
  if (n === 0) return [];

  const cut = new Float64Array(n + 1);
  /** Prefix sums over the kept lines. */
  const join = new Float64Array(n + 1);
  const tokens = new Float64Array(n + 1);
  for (let k = 0; k < n; k++) {
    const index = kept[k] ?? 0;
    const line = lines[index] ?? "";
    const boundary = boundaryAt(index);
    const closes = closing.test(line.trim());
    cut[k] = closes ? Math.max(closingCut, boundary.cut) : boundary.cut;
    join[k + 1] = (join[k] ?? 0) + (closes ? 0 : boundary.join);
    tokens[k + 1] = (tokens[k] ?? 0) + estimateTokens(line);
    if (k % 256 === 0) await pace.rest();
  }

  const best = new Float64Array(n + 1).fill(Infinity);
  const from = new Int32Array(n + 1);
  best[0] = 0;
  for (let end = 1; end <= n; end++) {
    for (let start = end - 1; start >= 0; start--) {
      if ((kept[end - 1] ?? 0) - (kept[start] ?? 0) >= maxLines) break;
      const size = (tokens[end] ?? 0) - (tokens[start] ?? 0);
      if (size > maxTokens && start < end - 1) break;
      const over = size - aimedTokens;
      const joined = (join[end] ?? 0) - (join[start + 1] ?? 0);
      const cost =
        (best[start] ?? 0) +
        (start === 0 ? 0 : (cut[start] ?? 0)) +
        chunkCost +
        joined +
        Math.max(0, minLines - (end - start)) * shortCost +
        (over > 0 ? overCost + (over / aimedTokens) * overSlope : 0);
      if (cost < (best[end] ?? Infinity)) {
        best[end] = cost;
        from[end] = start;
      }
      if (apart.has(start)) break;
    }
    if (end % 256 === 0) await pace.rest();
  }

  const chunks: Chunk[] = [];
  for (let end = n; end > 0; end = from[end] ?? 0) {
    const startLine = (kept[from[end] ?? 0] ?? 0) + 1;
    const endLine = (kept[end - 1] ?? 0) + 1;
    const text = lines.slice(startLine - 1, endLine).join("\n");
    if (isSubstantial(text)) chunks.push({ startLine, endLine, text });
  }
  return chunks.reverse();
}

/**
 * Tokens of one line of code, its line break and indentation included: a twentieth too many at the median for a tokenizer
 * of 8,192 tokens that takes digits one by one, and so most often enough. A larger vocabulary needs fewer.
 */
export function estimateTokens(line: string): number {
  let tokens = 1;
  for (const [piece, word, capitals, letters, digits] of line.matchAll(
    /([A-Z]?[a-z]+)|([A-Z]+)|([\p{L}\p{M}]+)|(\p{N}+)|[^\s\p{L}\p{M}\p{N}]+/gu,
  )) {
    if (word !== undefined) tokens += Math.ceil(word.length / 5);
    else if (capitals !== undefined) tokens += Math.ceil(capitals.length / 2.5);
    else if (letters !== undefined) tokens += Math.ceil(letters.length * 1.5);
    else tokens += digits?.length ?? Math.ceil(piece.length / 2);
  }
  return tokens;
}

function isSubstantial(text: string): boolean {
  return (text.match(/[\p{L}\p{N}]/gu)?.length ?? 0) >= leastLetters;
}

/** Index of the first line after a licence comment at the top, 0 where there is none: the same in every file, it finds nothing. */
function licenceEnd(lines: readonly string[]): number {
  let start = 0;
  while (start < lines.length && /^\s*$|^#!|^<\?php\s*$/.test(lines[start] ?? "")) start++;
  const opening = /^\s*(\/\*|<!--|\/\/|#(?!\s*(?:include|define|if|pragma|import|region|nullable)\b|\[)|--|;;)/.exec(
    lines[start] ?? "",
  )?.[1];
  if (opening === undefined) return 0;
  let end = start;
  if (opening === "/*" || opening === "<!--") {
    const close = opening === "/*" ? "*/" : "-->";
    while (end < lines.length && !(lines[end] ?? "").includes(close)) end++;
    // A comment that is never closed, as in a file being written, must not take the file with it.
    if (end === lines.length) return 0;
    const line = lines[end] ?? "";
    if (line.slice(line.indexOf(close) + close.length).trim() === "") end++;
  } else while (end < lines.length && (lines[end] ?? "").trimStart().startsWith(opening)) end++;
  if (end - start > longestLicence) return 0;
  const header = lines.slice(start, end).join("\n");
  return /licen[cs]e|copyright|spdx-/i.test(header) ? end : 0;
}
