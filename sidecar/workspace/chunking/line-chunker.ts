// Cuts text of any kind into windows of lines, at blank lines and by indentation.
import { indentOf } from "../../languages/scanner";
import type { Chunk, Chunker } from "./chunker";
import { type Boundary, segment } from "./segment";

const columnsPerLevel = 4;

/** For languages without a grammar, and for files that their grammar cannot read. */
export class LineChunker implements Chunker {
  readonly version = "lines 1";

  chunk(_path: string, text: string): Promise<Chunk[]> {
    const lines = text.split("\n");
    return segment(lines, (index) => boundary(lines, index));
  }
}

function boundary(lines: readonly string[], index: number): Boundary {
  const line = lines[index] ?? "";
  const above = lines[index - 1] ?? "";
  const afterBlank = above.trim() === "";
  const depth = Math.min(6, indentOf(line) / columnsPerLevel);
  // Headings of Markdown, sections of INI-like files and comments before a block begin something, and stay with it.
  const begins = (at: string): boolean => /^(#{1,6} |\[[^\]]+\]\s*$)/.test(at);
  if (begins(line)) return afterBlank ? { cut: 0, join: 1.6 } : { cut: 3, join: 0 };
  if (begins(afterBlank ? (lines[index - 2] ?? "") : above)) return { cut: 4, join: 0 };
  if (afterBlank) return { cut: 0.3 + depth * 0.4, join: depth === 0 && standsAlone(lines, index) ? 1.6 : 0 };
  return { cut: (depth === 0 ? 2 : 2.5) + depth * 0.5, join: 0 };
}

/** Whether the block that begins at this line is long enough for a chunk of its own. */
function standsAlone(lines: readonly string[], index: number): boolean {
  return [0, 1, 2].every((offset) => (lines[index + offset] ?? "").trim() !== "");
}
