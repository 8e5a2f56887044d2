// Says for each chunk of a file which definitions it is inside of.
import type { Chunk } from "./chunker";

export interface Definition {
  /** 0-based line of its signature. */
  readonly start: number;
  /** 0-based, the last line it has text on. */
  readonly end: number;
}

/** Characters of a signature that are kept. */
const longestSignature = 120;
/** More levels than this are shown to nobody; the innermost ones are kept. */
const mostLevels = 8;

/**
 * The signatures around the first line of each chunk, outermost first. A definition that begins in the chunk is not around it.
 * @param chunks in file order
 * @param lines of the file
 */
export function scopesOf(
  chunks: readonly Chunk[],
  definitions: readonly Definition[],
  lines: readonly string[],
): string[][] {
  const waiting = [...definitions].sort((a, b) => a.start - b.start || b.end - a.end);
  let next = 0;
  let around: Definition[] = [];
  return chunks.map(({ startLine }) => {
    const row = startLine - 1;
    for (let each = waiting[next]; each !== undefined && each.start < row; each = waiting[++next]) around.push(each);
    around = around.filter(({ end }) => end >= row);
    const starts = [...new Set(around.map(({ start }) => start))];
    return starts.slice(-mostLevels).map((start) => signature(lines[start] ?? ""));
  });
}

/** A line without its indentation and the bracket or colon that opens the body. */
function signature(line: string): string {
  const text = line
    .trim()
    .replace(/\s*(?:\{|:|=>\s*\{|=\s*\{)$/, "")
    .slice(0, longestSignature);
  // A copy: part of a string keeps all of it in memory, and that would be the whole file.
  return Buffer.from(text).toString();
}
