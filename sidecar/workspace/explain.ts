// Says of any path whether it is indexed and by which rule, going the way that indexing goes.
import { join } from "node:path";
import type { Explanation } from "../protocol";
import type { Chunker } from "./chunking/chunker";
import { type Omission, printable } from "./files/exclusion";
import type { IgnoreRules } from "./files/ignore";
import { type Examined, examine, readSource } from "./files/walk";

export interface WhyOptions {
  /** The workspace folder. */
  readonly root: string;
  /** From the root, with `/`; `""` for the root itself. */
  readonly path: string;
  readonly rules: IgnoreRules;
  readonly maxBytes: number;
  readonly chunker: Chunker;
}

/** Reads the disk as it is now; what is in the index by now is not asked. Never throws for what a path may lead to. */
export async function explain({ root, path, rules, maxBytes, chunker }: WhyOptions): Promise<Explanation> {
  const name = printable(path === "" ? root : path);
  let found: Examined;
  try {
    found = await examine(root, path, { rules, maxBytes });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return {
      path,
      state: "missing",
      message: `Expected a file or folder at ${printable(join(root, path))}, found none that can be read (${printable(reason)}). Check the path.`,
      fragments: [],
    };
  }
  if ("skip" in found) return leftOut(path, found);
  if ("folder" in found)
    return {
      path,
      state: "folder",
      message: `${name} is a folder whose files are indexed, each as its own rules say.`,
      fragments: [],
    };
  const source = await readSource(root, path, maxBytes);
  if ("skip" in source) return leftOut(path, { ...source, at: path });
  const fragments = (await chunker.chunk(path, source.text)).map(({ startLine, endLine, scope }) => ({
    startLine,
    endLine,
    ...(scope !== undefined && { scope }),
  }));
  const lines = fragments
    .map(({ startLine, endLine }) => (startLine === endLine ? `${startLine}` : `${startLine}-${endLine}`))
    .join(", ");
  const message =
    fragments.length === 0
      ? `${name} is indexed, but holds nothing worth a fragment.`
      : `${name} is indexed as ${fragments.length} ${fragments.length === 1 ? "fragment" : "fragments"}: lines ${lines}.`;
  return { path, state: "indexed", message, fragments };
}

/** The explanation for a path that a rule leaves out, by itself or with the folder `at`. */
export function leftOut(path: string, { skip, because, at, rule }: Omission & { readonly at: string }): Explanation {
  const what =
    at === path
      ? `${printable(path)} is not indexed`
      : `${printable(path)} is not indexed, since the folder ${printable(at)} above it is left out`;
  return {
    path,
    state: "left-out",
    message: `${what} (${skip}): ${because}.`,
    reason: skip,
    at,
    ...(rule !== undefined && { rule }),
    fragments: [],
  };
}

/** The explanation for a path that lies in no workspace folder. */
export function outside(path: string): Explanation {
  return {
    path,
    state: "outside",
    message: `${printable(path)} is not indexed: it lies in none of the open folders. Open the folder it is in.`,
    fragments: [],
  };
}
