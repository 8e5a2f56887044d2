// Brings listed files into the index: unchanged ones from the store, the others by reading, chunking and embedding them.
import { Yielder } from "../../host/yield";
import { isUnchanged, placesOf } from "../file-entry";
import type { ListedFile } from "../files/walk";
import type { FolderState } from "../folder-state";
import type { FolderPath } from "../workspace-folders";
import { EmbeddingQueue } from "./embedding-queue";
import type { IngestParts } from "./parts";
import { type OnProgress, Progress } from "./progress";
import { cutFile, readCurrent } from "./read-file";
import { type FileToRestore, restore } from "./restore";

export interface FileOfFolder {
  readonly folder: FolderState;
  readonly file: ListedFile;
}

/** A file to read. */
interface FileToRead extends FolderPath {
  /** Its size as listed. */
  readonly bytes: number;
}

export class Ingest {
  constructor(private readonly parts: IngestParts) {}

  /**
   * Files are read and embedded in the order given.
   * @param options.reread read them all: their times may be too coarse to show that they have changed
   * @throws the signal's reason when it is aborted; what is inserted by then stays
   */
  async ingest(
    listed: readonly FileOfFolder[],
    signal: AbortSignal,
    { reread = false, onProgress }: { readonly reread?: boolean; readonly onProgress?: OnProgress | undefined } = {},
  ): Promise<void> {
    const progress = new Progress(listed.length, onProgress);
    const { stored, toRead } = await this.split(listed, reread, progress);
    for (const { folder, path, entry } of await restore(stored, this.parts, signal, () => progress.advance(1)))
      toRead.push({ folder, path, bytes: entry.size });
    progress.beginReading(toRead.reduce((sum, { bytes }) => sum + bytes, 0));
    await this.readAndEmbed(toRead, signal, progress);
  }

  /** What is recorded of a file that has not changed since and is not in the index yet. */
  fileToRestore({ folder, file }: FileOfFolder): FileToRestore | undefined {
    const { path } = file;
    const entry = folder.known.get(path);
    if (entry === undefined || entry.excluded !== undefined || !isUnchanged(entry, file)) return undefined;
    if (folder.indexed.get(path)?.entry === entry || this.isUnsaved({ folder, path })) return undefined;
    return { folder, path, entry, time: folder.nextTime() };
  }

  /** Splits the files into those to restore and those to read; the others are done. */
  private async split(
    listed: readonly FileOfFolder[],
    reread: boolean,
    progress: Progress,
  ): Promise<{ stored: FileToRestore[]; toRead: FileToRead[] }> {
    const stored: FileToRestore[] = [];
    const toRead: FileToRead[] = [];
    const yielder = new Yielder();
    for (const { folder, file } of listed) {
      const { path, size: bytes } = file;
      const entry = folder.known.get(path);
      const unsaved = this.isUnsaved({ folder, path });
      if (unsaved && !reread && folder.indexed.has(path)) progress.advance(1);
      else if (reread || unsaved || entry === undefined || !isUnchanged(entry, file))
        toRead.push({ folder, path, bytes });
      else if (entry.excluded !== undefined) {
        this.parts.files.exclude(folder, path, entry.excluded, { entry });
        progress.advance(1);
      } else if (folder.indexed.get(path)?.entry === entry) progress.advance(1);
      else stored.push({ folder, path, entry, time: folder.nextTime() });
      if (yielder.isDue) await yielder.yieldIfDue();
    }
    return { stored, toRead };
  }

  private async readAndEmbed(files: readonly FileToRead[], signal: AbortSignal, progress: Progress): Promise<void> {
    const bytes = new Map<string, number>();
    for (const file of files) bytes.set(file.folder.fileOf(file.path), file.bytes);
    const queue = new EmbeddingQueue(this.parts, signal, (inserted) => {
      const done = inserted.reduce((sum, { folder, path }) => sum + (bytes.get(folder.fileOf(path)) ?? 0), 0);
      progress.advance(inserted.length, done);
      void this.parts.table.maintain();
    });
    const yielder = new Yielder();
    try {
      for (const file of files) {
        signal.throwIfAborted();
        if (!(await this.read(file, queue))) progress.advance(1);
        await yielder.yieldIfDue();
      }
      await queue.finish();
    } finally {
      // Also after an error, nothing runs on when this method returns.
      await queue.settled();
    }
  }

  /** Reads one file and adds it to the queue. @returns whether it did; else the file is excluded */
  private async read(file: FolderPath, queue: EmbeddingQueue): Promise<boolean> {
    const { folder, path } = file;
    const { files, table, limits } = this.parts;
    const time = folder.nextTime();
    if (table.size + queue.fragments >= limits().maxFragments && !folder.indexed.has(path)) {
      files.exclude(folder, path, "index full");
      return false;
    }
    const source = await readCurrent(file, this.parts);
    const { size, modified, changed, hash } = source;
    const state = { size, modified, changed, hash };
    if ("reason" in source) {
      files.exclude(folder, path, source.reason, {
        entry: { ...state, excluded: source.reason, fragments: [] },
        time,
      });
      return false;
    }
    const cut = await cutFile(path, source, this.parts);
    if (cut === undefined) {
      files.exclude(folder, path, "unreadable", { time });
      return false;
    }
    const { fragments, tokens } = cut;
    await queue.add({ folder, path, entry: { ...state, fragments: placesOf(fragments) }, time, fragments }, tokens);
    return true;
  }

  /** Whether the editor has text of the file that is not on disk. */
  private isUnsaved({ folder, path }: FolderPath): boolean {
    const { unsaved } = this.parts;
    return unsaved.size > 0 && unsaved.has(folder.fileOf(path));
  }
}
