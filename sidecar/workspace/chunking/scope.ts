// Finds the definitions around each chunk of a file, and their signatures.
import type { Chunk } from "./chunker";

export interface Definition {
  /** 0-based line of its signature. */
  readonly start: number;
  /** 0-based, the last line it has text on. */
  readonly end: number;
}

/** Characters of a signature; the rest is cut. */
const maxSignatureLength = 120;
/** Only the innermost levels are shown. */
const maxLevels = 8;

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
    return [...new Set(around.map(({ start }) => start + 1))].slice(-maxLevels);
  });
}

/** The signature that a line holds: without its indentation and the bracket or colon that opens the body. */
export function signatureIn(line: string): string {
  const text = line
    .trim()
    .replace(/\s*(?:\{|:|=>\s*\{|=\s*\{)$/, "")
    .slice(0, maxSignatureLength);
  // A copy: a slice of a string would keep the whole file in memory.
  return Buffer.from(text).toString();
}
