// Overlapping windows of lines, the fragments of the benchmark's own script.
import type { Chunk, Chunker } from "../../sidecar/workspace/chunking/chunker";

const lines = 20;
const step = 10;

/** Windows over the whole text, blank ones too; the last one ends where the text ends. */
export class WindowChunker implements Chunker {
  readonly version = `windows ${lines}/${step}`;

  async chunk(_path: string, text: string): Promise<Chunk[]> {
    const all = text.split("\n");
    const chunks: Chunk[] = [];
    for (let start = 0; ; start += step) {
      const window = all.slice(start, start + lines);
      chunks.push({ startLine: start + 1, endLine: start + window.length, text: window.join("\n") });
      if (start + lines >= all.length) return chunks;
    }
  }
}
