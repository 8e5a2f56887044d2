// Makes the chunker: tree-sitter where its runtime loads, line windows elsewhere.
import { errorMessage } from "../../host/errors";
import type { Chunker } from "./chunker";
import { LineChunker } from "./line-chunker";
import { TreeSitterChunker } from "./tree-sitter-chunker";

/**
 * The chunker for all files.
 * @param grammarFolder holds `web-tree-sitter.wasm` and `tree-sitter-<language>.wasm`
 * @param warn called with what could not be loaded
 */
export async function createChunker(
  grammarFolder: string,
  warn: (message: string) => void = () => {},
): Promise<Chunker> {
  try {
    return await TreeSitterChunker.load(grammarFolder, warn);
  } catch (error) {
    warn(`tree-sitter did not load from ${grammarFolder} (${errorMessage(error)}): all files are cut by lines.`);
    return new LineChunker();
  }
}
