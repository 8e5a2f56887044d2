// Says for each chunk of a file which definitions it is inside of, and what their signatures are.
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
 * The lines (1-based) of the signatures around the first line of each chunk, outermost first. A definition that begins in
 * the chunk is not around it.
 * @param chunks in file order
 */
export function scopesOf(chunks: readonly Chunk[], definitions: readonly Definition[]): number[][] {
  const waiting = [...definitions].sort((a, b) => a.start - b.start || b.end - a.end);
  let next = 0;
  let around: Definition[] = [];
  return chunks.map(({ startLine }) => {
    const row = startLine - 1;
    for (let each = waiting[next]; each !== undefined && each.start < row; each = waiting[++next]) around.push(each);
    around = around.filter(({ end }) => end >= row);
    return [...new Set(around.map(({ start }) => start + 1))].slice(-mostLevels);
  });
}

/** The signature that a line holds: without its indentation and the bracket or colon that opens the body. */
export function signatureIn(line: string): string {
  const text = line
    .trim()
    .replace(/\s*(?:\{|:|=>\s*\{|=\s*\{)$/, "")
    .slice(0, longestSignature);
  // A copy: part of a string keeps all of it in memory, and that would be the whole file.
  return Buffer.from(text).toString();
}
