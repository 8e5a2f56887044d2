// Overlapping windows of lines as fragments, as in the benchmark's own code.
import type { Chunk, Chunker } from "../../sidecar/workspace/chunking/chunker";

const lines = 20;
const step = 10;

/** Windows over the whole text, even blank ones; the last one ends at the end of the text. */
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
