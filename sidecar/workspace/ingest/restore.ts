// Restores unchanged files from the store: their vectors from there, their text from the disk.
import { Yielder } from "../../host/yield";
import { type FileEntry, type KeyedFragment, withText } from "../file-entry";
import { sourceText } from "../files/content";
import { readBytes } from "../files/walk";
import { maxFileBytes } from "../index-options";
import type { FileToInsert } from "../indexed-files";
import { contentHash } from "../store/keys";
import type { Quantized } from "../vectors/quantized";
import { Batch } from "./batch";
import type { IngestParts } from "./parts";

/** A file that has not changed since it was recorded, on its way into the index. */
export type FileToRestore = Omit<FileToInsert, "fragments">;

/** Fragments whose vectors are read at once. */
export const restoreBatch = 2048;
/** Files read at once. */
const filesAtOnce = 16;

type Parts = Pick<IngestParts, "store" | "files" | "limits">;

/**
 * Inserts the files whose content is the recorded one and whose vectors are all stored.
 * @param onRestored called for each file that was
 * @returns the others, which have to be read and embedded
 * @throws the signal's reason when it is aborted
 */
export async function restore(
  stored: readonly FileToRestore[],
  parts: Parts,
  signal: AbortSignal,
  onRestored: () => void = () => {},
): Promise<FileToRestore[]> {
  const others: FileToRestore[] = [];
  const batch = new Batch<FileToRestore>();
  const sorted = [...stored].sort((a, b) => (a.entry.place ?? 0) - (b.entry.place ?? 0));
  for (const [at, file] of sorted.entries()) {
    batch.add(file, file.entry.fragments.length);
    if (batch.fragments >= restoreBatch || at === sorted.length - 1)
      others.push(...(await restoreTogether(batch.take(), parts, signal, onRestored)));
  }
  return others;
}

async function restoreTogether(
  stored: readonly FileToRestore[],
  { store: opening, files, limits }: Parts,
  signal: AbortSignal,
  onRestored: () => void,
): Promise<FileToRestore[]> {
  const store = await opening;
  const others: FileToRestore[] = [];
  const yielder = new Yielder();
  const [vectors = new Map<string, Quantized>(), read] = await Promise.all([
    store?.vectors(stored.flatMap(({ entry }) => keysOf(entry))),
    readUnchanged(stored, maxFileBytes(limits())),
  ]);
  for (const file of stored) {
    const fragments = read.get(file);
    if (fragments?.every(({ key }) => vectors.has(key))) {
      files.insert({ ...file, fragments }, vectors);
      onRestored();
    } else others.push(file);
    signal.throwIfAborted();
    if (yielder.isDue) await yielder.yieldIfDue();
  }
  return others;
}

function keysOf({ fragments }: FileEntry): string[] {
  return fragments.map(({ key }) => key);
}

/** The fragments, with their text, of those files whose content is the recorded one. */
async function readUnchanged(
  stored: readonly FileToRestore[],
  maxBytes: number,
): Promise<Map<FileToRestore, KeyedFragment[]>> {
  const read = new Map<FileToRestore, KeyedFragment[]>();
  const waiting = stored.values();
  const yielder = new Yielder();
  const readSome = async (): Promise<void> => {
    for (const file of waiting) {
      const found = await readBytes(file.folder.root, file.path, maxBytes);
      if (!("reason" in found) && contentHash(found.bytes) === file.entry.hash)
        read.set(file, withText(file.entry.fragments, sourceText(found.bytes, file.path)));
      if (yielder.isDue) await yielder.yieldIfDue();
    }
  };
  await Promise.all(Array.from({ length: filesAtOnce }, readSome));
  return read;
}
