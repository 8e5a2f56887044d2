// Explains for any path whether it is indexed and by which rule, with the same rules as indexing.
import { join } from "node:path";
import { errorMessage } from "../host/errors";
import type { Explanation } from "../protocol";
import type { Chunker } from "./chunking/chunker";
import { type Exclusion, printable } from "./files/exclusion";
import type { IgnoreRules } from "./files/ignore";
import { type Examined, examine, readSource } from "./files/walk";
import type { FolderPath } from "./workspace-folders";

/** Whether a path is indexed, and whether the index has it already. */
export async function explainIndexed(
  { folder, path }: FolderPath,
  { maxBytes, chunker, maxFragments }: { maxBytes: number; chunker: Chunker; maxFragments: number },
): Promise<Explanation> {
  const found = await explain({ root: folder.root, path, rules: await folder.currentRules(), maxBytes, chunker });
  if (found.state !== "indexed" || folder.indexed.has(path)) return found;
  if (folder.excluded.get(path) === "index full") {
    const detail = `it would hold more than ${maxFragments} fragments`;
    return explainExclusion(path, { reason: "index full", detail, at: path });
  }
  return { ...found, state: "waiting", message: `${found.message} It is not in the index yet.` };
}

interface WhyOptions {
  /** The workspace folder. */
  readonly root: string;
  /** From the root, with `/`; `""` for the root itself. */
  readonly path: string;
  readonly rules: IgnoreRules;
  readonly maxBytes: number;
  readonly chunker: Chunker;
}

/** Reads the disk as it is now, not the index. Never throws, whatever is at the path. */
export async function explain({ root, path, rules, maxBytes, chunker }: WhyOptions): Promise<Explanation> {
  const name = printable(path === "" ? root : path);
  let found: Examined;
  try {
    found = await examine(root, path, { rules, maxBytes });
  } catch (error) {
    return {
      path,
      state: "missing",
      message: `Expected a file or folder at ${printable(join(root, path))}, found none that can be read (${printable(errorMessage(error))}). Check the path.`,
      fragments: [],
    };
  }
  if ("reason" in found) return explainExclusion(path, found);
  if ("folder" in found)
    return {
      path,
      state: "folder",
      message: `${name} is a folder whose files are indexed, unless a rule excludes them.`,
      fragments: [],
    };
  const source = await readSource(root, path, maxBytes);
  if ("reason" in source) return explainExclusion(path, { ...source, at: path });
  const fragments = (await chunker.chunk(path, source.text, source.languageId)).map(
    ({ startLine, endLine, scope }) => ({
      startLine,
      endLine,
      ...(scope !== undefined && { scope }),
    }),
  );
  const lines = fragments
    .map(({ startLine, endLine }) => (startLine === endLine ? `${startLine}` : `${startLine}-${endLine}`))
    .join(", ");
  const message =
    fragments.length === 0
      ? `${name} is indexed, but has too little text for a fragment.`
      : `${name} is indexed as ${fragments.length} ${fragments.length === 1 ? "fragment" : "fragments"}: lines ${lines}.`;
  return { path, state: "indexed", message, fragments };
}

/** The explanation for a path that a rule excludes, by itself or with the folder `at`. */
function explainExclusion(
  path: string,
  { reason, detail, at, rule }: Exclusion & { readonly at: string },
): Explanation {
  const what =
    at === path
      ? `${printable(path)} is not indexed`
      : `${printable(path)} is not indexed, since the folder ${printable(at)} above it is excluded`;
  return {
    path,
    state: "left-out",
    message: `${what} (${reason}): ${detail}.`,
    reason,
    at,
    ...(rule !== undefined && { rule }),
    fragments: [],
  };
}

/** The explanation for a path outside of all workspace folders. */
export function outside(path: string): Explanation {
  return {
    path,
    state: "outside",
    message: `${printable(path)} is not indexed: it is in none of the open folders. Open its folder.`,
    fragments: [],
  };
}
