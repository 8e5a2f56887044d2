// What the store holds of a file: its size, times and hash, and the places of its fragments. Neither path nor text.
import * as v from "valibot";
import type { Chunk } from "./chunking/chunker";
import { signatureIn } from "./chunking/scope";
import { type ExclusionReason, exclusionReasons } from "./files/exclusion";
import type { FileState } from "./files/walk";

/** A fragment with its text, and the key of its vector. */
export interface KeyedFragment extends Chunk {
  readonly key: string;
}

/** The same as it is stored, without text. */
type StoredFragment = Omit<KeyedFragment, "text" | "scope">;

/** A file as it was when it was read. */
export interface FileEntry extends FileState {
  /** Digest of its bytes, by `contentHash`. */
  readonly hash: string;
  /** Set when the content is a reason to exclude the file. */
  readonly excluded?: ExclusionReason;
  readonly fragments: readonly StoredFragment[];
  /** Position among the folder's files in the store; files are read fastest in this order. */
  readonly place?: number;
}

const number = v.number();
const schema = v.strictTuple([
  number,
  number,
  number,
  v.string(),
  v.nullable(v.picklist(exclusionReasons)),
  v.array(v.tupleWithRest([number, number, v.string()], number)),
]);

export function serializeEntry({ size, modified, changed, hash, excluded, fragments }: FileEntry): string {
  const places = fragments.map(({ startLine, endLine, key, scopeLines = [] }) => [
    startLine,
    endLine,
    key,
    ...scopeLines,
  ]);
  return JSON.stringify([size, modified, changed, hash, excluded ?? null, places]);
}

/** @returns undefined for text that {@link serializeEntry} did not write */
export function parseEntry(text: string): FileEntry | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const parsed = v.safeParse(schema, value);
  if (!parsed.success) return undefined;
  const [size, modified, changed, hash, excluded, places] = parsed.output;
  const fragments = places.map(([startLine, endLine, key, ...scopeLines]) =>
    scopeLines.length === 0 ? { startLine, endLine, key } : { startLine, endLine, key, scopeLines },
  );
  const entry = { size, modified, changed, hash, fragments };
  return excluded === null ? entry : { ...entry, excluded };
}

/** The size of unsaved text, which is no state of the file on disk. */
export const unsavedSize = -1;

/** Whether the file was neither written nor replaced since. The content may be the same even when this is false. */
export function isUnchanged(entry: FileEntry, { size, modified, changed }: FileState): boolean {
  return entry.size === size && entry.modified === modified && entry.changed === changed;
}

/** The fragments of a file as the store holds them, without their text. */
export function placesOf(fragments: readonly KeyedFragment[]): StoredFragment[] {
  return fragments.map(({ startLine, endLine, key, scopeLines }) =>
    scopeLines === undefined ? { startLine, endLine, key } : { startLine, endLine, key, scopeLines },
  );
}

/** The fragments of a file with their text. @param text of the file with the hash of the entry */
export function withText(fragments: readonly StoredFragment[], text: string): KeyedFragment[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  starts.push(text.length + 1);
  // Slices share the memory of the file's text, nearly all of which they are; copies would take time and as much memory.
  const linesOf = (first: number, last: number): string => text.slice(starts[first - 1] ?? 0, (starts[last] ?? 1) - 1);
  return fragments.map((fragment) => {
    const { startLine, endLine, scopeLines } = fragment;
    const keyed = { ...fragment, text: linesOf(startLine, endLine) };
    return scopeLines === undefined
      ? keyed
      : { ...keyed, scope: scopeLines.map((line) => signatureIn(linesOf(line, line))) };
  });
}
