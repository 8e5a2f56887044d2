// An index with the toy model and a chunker that records what it reads, and files to index.
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach } from "vitest";
import { LineChunker } from "../../../sidecar/workspace/chunking/line-chunker";
import type { WorkspaceIndexOptions } from "../../../sidecar/workspace/index-options";
import { WorkspaceIndex } from "../../../sidecar/workspace/workspace-index";
import { toyBackbone, toyFormat, toyNeed } from "./toy-model";

export interface Made {
  readonly index: WorkspaceIndex;
  /** Token lists embedded. */
  readonly seen: (readonly number[])[];
  readonly warnings: string[];
  /** Paths chunked, thus read. */
  readonly read: string[];
}

const open: WorkspaceIndex[] = [];

afterEach(async () => {
  for (const index of open.splice(0)) await index.dispose();
});

/** Chunks by lines and records which files were read. */
export class RecordingChunker extends LineChunker {
  readonly paths: string[] = [];

  override chunk(path: string, text: string): ReturnType<LineChunker["chunk"]> {
    this.paths.push(path);
    return super.chunk(path, text);
  }
}

export function make(
  storagePath: string,
  options: Partial<WorkspaceIndexOptions> & { hash?: string; delayMs?: number } = {},
): Made {
  const { hash, delayMs, ...rest } = options;
  const { backbone, seen } = toyBackbone({
    ...(hash !== undefined && { hash }),
    ...(delayMs !== undefined && { delayMs }),
  });
  const warnings: string[] = [];
  const chunker = new RecordingChunker();
  const log = { info: () => {}, warn: (message: string) => void warnings.push(message) };
  const index = new WorkspaceIndex({ backbone, promptFormat: toyFormat, storagePath, chunker, log, ...rest });
  open.push(index);
  return { index, seen, warnings, read: chunker.paths };
}

export const uriOf = (...parts: string[]): string => pathToFileURL(join(...parts)).href;

export async function indexed(
  root: string,
  storagePath: string,
  options: Parameters<typeof make>[1] = {},
): Promise<Made> {
  const made = make(storagePath, options);
  await made.index.setFolders([{ uri: uriOf(root), name: "test" }]);
  await made.index.reindex();
  return made;
}

/** Path and lines of the best fragment for this text. */
export function best(index: WorkspaceIndex, path: string, text: string): string | undefined {
  const [hit] = index.search(toyNeed(path, text), 1);
  return hit === undefined || hit.score < 0.99
    ? undefined
    : `${hit.fragment.path}:${hit.fragment.startLine}-${hit.fragment.endLine}`;
}

/** All fragments that can be found, sorted. */
export function contents(index: WorkspaceIndex): string[] {
  return index
    .search(toyNeed("x", "anything at all"), 100_000)
    .map(
      ({ fragment, score }) =>
        `${fragment.path}:${fragment.startLine}-${fragment.endLine} ${score.toFixed(5)} ${fragment.text}`,
    )
    .sort();
}

/** The texts that are in some file of the folder, as they are or as 16-bit characters. */
export async function onDisk(folder: string, texts: readonly string[]): Promise<string[]> {
  const files = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const bytes = Buffer.concat(await Promise.all(files.map((entry) => readFile(join(entry.parentPath, entry.name)))));
  return texts.filter((text) => bytes.includes(text) || bytes.includes(Buffer.from(text, "utf16le")));
}

export const alpha = "def alpha(x):\n    first = x + 1\n    return first\n";
export const beta = "def beta(y):\n    second = y * 2\n    return second\n";
export const gamma = "def gamma(z):\n    third = z - 3\n    return third\n";

export function manyFiles(count: number): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: count }, (_, i) => [
      `src/part${i % 7}/file${i}.py`,
      `${alpha.replaceAll("alpha", `alpha${i}`)}\n\n${beta.replaceAll("beta", `beta${i}`)}`,
    ]),
  );
}
