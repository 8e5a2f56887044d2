// The chunker with its grammars, and checks that every chunking must pass.
import { resolve } from "node:path";
import { beforeAll, expect } from "vitest";
import type { Chunk, Chunker } from "../../../../sidecar/workspace/chunking/chunker";
import { createChunker } from "../../../../sidecar/workspace/chunking/create-chunker";
import { estimateTokens } from "../../../../sidecar/workspace/chunking/estimate-tokens";
import { maxLines, maxTokens } from "../../../../sidecar/workspace/chunking/segment";

export const grammarFolder = resolve(__dirname, "../../../../dist/grammars");
export const warnings: string[] = [];
export let chunker: Chunker;

beforeAll(async () => {
  chunker = await createChunker(grammarFolder, (message) => warnings.push(message));
});

/** Checks every result: whole lines in order, no overlap, no blank ends, and the size within the limits. */
export function checkShape(text: string, chunks: readonly Chunk[]): void {
  const lines = text.split("\n");
  let end = 0;
  for (const chunk of chunks) {
    expect(chunk.startLine).toBeGreaterThan(end);
    expect(chunk.endLine - chunk.startLine).toBeLessThan(maxLines);
    expect(chunk.text).toBe(lines.slice(chunk.startLine - 1, chunk.endLine).join("\n"));
    expect(lines[chunk.startLine - 1]?.trim()).not.toBe("");
    expect(lines[chunk.endLine - 1]?.trim()).not.toBe("");
    if (chunk.endLine > chunk.startLine) expect(tokensOf(chunk.text)).toBeLessThanOrEqual(maxTokens);
    if (chunk.scope !== undefined) expect(chunk.scope.length).toBeGreaterThan(0);
    // Each signature is the beginning of a line above the chunk.
    for (const signature of chunk.scope ?? [])
      expect(
        lines.slice(0, chunk.startLine - 1).some((line) => line.trim().startsWith(signature)),
        `${signature} above ${chunk.startLine}`,
      ).toBe(true);
    end = chunk.endLine;
  }
}

/** Lines with content that are in no chunk, except a licence at the top. */
export function lostLines(text: string, chunks: readonly Chunk[]): string[] {
  const lines = text.split("\n");
  const covered = new Set(
    chunks.flatMap(({ startLine, endLine }) =>
      Array.from({ length: endLine - startLine + 1 }, (_, i) => startLine - 1 + i),
    ),
  );
  const lost = [...lines.keys()].filter(
    (row) =>
      !covered.has(row) && (lines[row]?.match(/[\p{L}\p{N}]/gu)?.length ?? 0) >= 6 && (lines[row]?.length ?? 0) <= 2000,
  );
  const [first] = chunks;
  const firstRow = first === undefined ? lines.length : first.startLine - 1;
  const licence = lost.filter((row) => row < firstRow && row < 90);
  const isLicence = /licen[cs]e|copyright|spdx-/i.test(licence.map((row) => lines[row]).join("\n"));
  return lost.filter((row) => !isLicence || !licence.includes(row)).map((row) => `${row + 1}: ${lines[row]}`);
}

export function tokensOf(text: string): number {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .reduce((sum, line) => sum + estimateTokens(line), 0);
}
