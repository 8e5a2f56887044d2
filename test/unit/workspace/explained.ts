// Explanations of paths, and small indexes that give them.
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeAll } from "vitest";
import type { Explanation } from "../../../sidecar/protocol";
import type { Chunker } from "../../../sidecar/workspace/chunking/chunker";
import { createChunker } from "../../../sidecar/workspace/chunking/create-chunker";
import { explain } from "../../../sidecar/workspace/explain";
import type { ExcludeSettings } from "../../../sidecar/workspace/files/exclude-settings";
import { IgnoreRules } from "../../../sidecar/workspace/files/ignore";
import type { WorkspaceIndexOptions } from "../../../sidecar/workspace/index-options";
import { WorkspaceIndex } from "../../../sidecar/workspace/workspace-index";
import { emptyFolder } from "./folder";
import { silentLog, toyBackbone, toyFormat, toyNeed } from "./toy-model";

export const maxBytes = 512 * 1024;
export let chunker: Chunker;

beforeAll(async () => {
  chunker = await createChunker(resolve(__dirname, "../../../dist/grammars"));
});

const open: WorkspaceIndex[] = [];

afterEach(async () => {
  for (const index of open.splice(0)) await index.dispose();
});

export async function why(root: string, path: string, settings?: ExcludeSettings): Promise<Explanation> {
  return explain({ root, path, rules: await IgnoreRules.create(root, settings), maxBytes, chunker });
}

export const uriOf = (...parts: string[]): string => pathToFileURL(join(...parts)).href;

/** An index of these folders, after one indexing. */
export async function indexOf(
  folders: readonly { root: string; excludes?: ExcludeSettings }[],
  options: Partial<WorkspaceIndexOptions> = {},
): Promise<{ index: WorkspaceIndex; seen: (readonly number[])[] }> {
  const { backbone, seen } = toyBackbone();
  const index = new WorkspaceIndex({
    backbone,
    promptFormat: toyFormat,
    storagePath: await emptyFolder(),
    chunker,
    log: silentLog,
    ...options,
  });
  open.push(index);
  await index.setFolders(
    folders.map(({ root, excludes }) => ({
      uri: uriOf(root),
      name: "test",
      ...(excludes !== undefined && { excludes }),
    })),
  );
  await index.reindex();
  return { index, seen };
}

/** Paths of the fragments in the index. */
export function indexedPaths(index: WorkspaceIndex): Set<string> {
  return new Set(index.search(toyNeed("x", "anything at all"), 100_000).map(({ fragment }) => fragment.uri));
}

export const code = (name: string): string =>
  `export function ${name}(input: number): number {\n  const doubled = input * 2;\n  return doubled + ${name.length};\n}\n`;
export const token = `ghp_${"q7Rk2ZpX9vLw4TnB8cYd3HsG6mJfA5eU1oQiWx".slice(0, 36)}`;
