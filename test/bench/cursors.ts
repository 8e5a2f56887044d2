// Cursors in a workspace at which a user could be typing, each with the real rest of its line.
import { readdir, readFile } from "node:fs/promises";
import { basename, join, relative, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { documentPath } from "../../sidecar/host/paths";
import { languageIdOf } from "../../sidecar/languages/languages";
import type { CursorContext } from "../../sidecar/retrieval/types";

export interface Cursor {
  readonly context: CursorContext;
  readonly line: number;
  readonly character: number;
  /** The rest of the cursor's line, which is not part of the context's suffix. */
  readonly truth: string;
}

/** Names of source files. */
export const sourceFile = /\.(?:py|[cm]?[jt]sx?|java|go|rs|cs|cpp|cc|h|rb|php)$/;

/** Source files of `folder` by relative path, sorted by path. */
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

/** At most `max` of {@link placesOfTyping} in all files, spread evenly. */
export function typingCursors(folder: string, sources: ReadonlyMap<string, string>, max: number): Cursor[] {
  const all: (() => Cursor)[] = [];
  for (const [path, text] of sources) {
    for (const offset of placesOfTyping(text)) all.push(() => cursorAt(folder, path, text, offset));
  }
  return spread(all, max).map((make) => make());
}

/** At most `max` of `items`, spread evenly. */
export function spread<T>(items: readonly T[], max: number): T[] {
  const step = Math.max(1, items.length / max);
  return items.filter((_, at) => Math.floor(at / step) !== Math.floor((at - 1) / step));
}

/** The cursor at `offset` of a file of `folder`, without the rest of its line. */
export function cursorAt(folder: string, path: string, text: string, offset: number): Cursor {
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
  };
}
