// Places in a workspace where someone could be typing, each with what really stands there.
import { readdir, readFile } from "node:fs/promises";
import { basename, join, relative, sep } from "node:path";
import { pathToFileURL } from "node:url";
import type { CursorContext } from "../../sidecar/retrieval/retrieval";
import { documentPath } from "../../sidecar/server/document-path";
import { languageIdOf } from "../../sidecar/server/language-id";

export interface Cursor {
  readonly context: CursorContext;
  readonly line: number;
  readonly character: number;
  /** What stood after the cursor on its line; it is not part of the context's suffix. */
  readonly truth: string;
  /** The name, defined in another file, that the truth begins with; undefined for any other cursor. */
  readonly name: string | undefined;
}

/** Names of files that people write code in. */
export const sourceFile = /\.(?:py|[cm]?[jt]sx?|java|go|rs|cs|cpp|cc|h|rb|php)$/;

/** Source files of `folder` by relative path, in order of path. */
export async function readSources(folder: string): Promise<Map<string, string>> {
  const sources = new Map<string, string>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !sourceFile.test(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    sources.set(relative(folder, path).split(sep).join("/"), await readFile(path, "utf8"));
  }
  return new Map([...sources].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Offsets in `text` after a dot, an opening bracket, an equals sign or a line's indentation. */
export function placesOfTyping(text: string): number[] {
  return [...text.matchAll(/(?<=\w\.|[(=] ?|^[ \t]+)(?=[A-Za-z_])/gm)].map(({ index }) => index);
}

/** At most `most` of {@link placesOfTyping} in all files, spread evenly. */
export function typingCursors(folder: string, sources: ReadonlyMap<string, string>, most: number): Cursor[] {
  const all: (() => Cursor)[] = [];
  for (const [path, text] of sources) {
    for (const offset of placesOfTyping(text)) all.push(() => cursorAt(folder, path, text, offset, undefined));
  }
  return spread(all, most).map((make) => make());
}

/** At most `most` of `items`, spread evenly. */
export function spread<T>(items: readonly T[], most: number): T[] {
  const step = Math.max(1, items.length / most);
  return items.filter((_, at) => Math.floor(at / step) !== Math.floor((at - 1) / step));
}

const definition =
  /(?:\b(?:def|class|function|interface|enum|struct|fn|func|type)\s+|^\s+(?:(?:public|private|protected|async|static|readonly)\s+)*)([A-Za-z_]\w{4,})(?=\s*[(<:={]|$)/gm;

/**
 * Places right before a name that is defined in exactly one other file, defined nowhere in this one, and not yet
 * used above the cursor but for its import: what stands there can only be known from that other file.
 */
export function crossFileCursors(folder: string, sources: ReadonlyMap<string, string>): Cursor[] {
  const definedIn = new Map<string, Set<string>>();
  for (const [path, text] of sources) {
    for (const match of text.matchAll(definition)) {
      const name = match[1] ?? "";
      if (!/^(?:return|raise|await|const|while|export|import|super|throw|assert|async|print)$/.test(name))
        definedIn.set(name, (definedIn.get(name) ?? new Set()).add(path));
    }
  }
  const cursors: Cursor[] = [];
  for (const [path, text] of sources) {
    const seen = new Set<string>();
    for (const match of text.matchAll(/[A-Za-z_]\w{4,}/g)) {
      const name = match[0];
      const lineStart = text.lastIndexOf("\n", match.index) + 1;
      const before = text.slice(lineStart, match.index);
      if (/^\s*(?:import|from|#|\/\/|\*)/.test(before)) continue;
      const files = definedIn.get(name);
      const elsewhere = files?.size === 1 && !files.has(path);
      if (!elsewhere || seen.has(name) || before.trim() === "" || /["'`]/.test(before)) continue;
      seen.add(name);
      cursors.push(cursorAt(folder, path, text, match.index, name));
    }
  }
  return cursors;
}

function cursorAt(folder: string, path: string, text: string, offset: number, name: string | undefined): Cursor {
  const lineEnd = text.indexOf("\n", offset);
  const truth = text.slice(offset, lineEnd < 0 ? undefined : lineEnd);
  const prefix = text.slice(0, offset);
  const uri = pathToFileURL(join(folder, path)).href;
  return {
    context: {
      uri,
      path: documentPath(uri, [{ uri: pathToFileURL(folder).href, name: basename(folder) }]),
      languageId: languageIdOf(path),
      prefix,
      suffix: lineEnd < 0 ? "" : text.slice(lineEnd),
    },
    line: prefix.split("\n").length - 1,
    character: offset - (prefix.lastIndexOf("\n") + 1),
    truth,
    name,
  };
}
