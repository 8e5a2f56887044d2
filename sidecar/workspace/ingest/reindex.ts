// Brings the index in step with the disk: all files, those that matter most first, or one that has changed.
import { isNotFound } from "../../host/errors";
import { type Examined, examine, type ListedFile } from "../files/walk";
import { maxFileBytes } from "../index-options";
import { type OpenDocument, priorityOf } from "../priority";
import type { FolderPath } from "../workspace-folders";
import { Batch } from "./batch";
import { type FileOfFolder, Ingest } from "./ingest";
import { listFolder } from "./list-folder";
import type { IngestParts } from "./parts";
import type { OnProgress } from "./progress";
import { type FileToRestore, restore, restoreBatch } from "./restore";

export interface ReindexOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
  /** What is open in the editor: it and its neighbours come first. */
  readonly open?: readonly OpenDocument[];
}

export class Reindexer {
  private readonly ingest: Ingest;

  constructor(private readonly parts: IngestParts) {
    this.ingest = new Ingest(parts);
  }

  /** @throws the signal's reason when it is aborted; what is inserted by then stays */
  async reindexAll(
    signal: AbortSignal,
    { onProgress, open = [] }: Pick<ReindexOptions, "onProgress" | "open"> = {},
  ): Promise<void> {
    const { ingest, parts } = this;
    const restoring = new RestoreWhileListing(ingest, parts, signal);
    const priority = priorityOf(open);
    const listed: (FileOfFolder & { readonly priority: number })[] = [];
    for (const folder of parts.folders.all) {
      const onFile = (file: ListedFile): void => restoring.add({ folder, file });
      for (const file of await listFolder({ folder, path: "" }, parts, { signal, onFile }))
        listed.push({ folder, file, priority: open.length === 0 ? 0 : priority(folder.uriOf(file.path)) });
    }
    await restoring.finish();
    listed.sort((a, b) => a.priority - b.priority || b.file.modified - a.file.modified);
    await ingest.ingest(listed, signal, { onProgress });
  }

  /** Brings one file, or all below a folder, in step with the disk. What was deleted or is excluded is removed. */
  async update(place: FolderPath, signal: AbortSignal): Promise<void> {
    const { folder, path } = place;
    const { ingest, parts } = this;
    try {
      const found = await this.examine(place);
      if ("reason" in found) parts.files.excludeByRule(folder, path, found);
      else if ("file" in found) await ingest.ingest([{ folder, file: found.file }], signal, { reread: true });
      else {
        const listed = await listFolder(place, parts);
        await ingest.ingest(
          listed.map((file) => ({ folder, file })),
          signal,
        );
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!isNotFound(error)) throw error;
      parts.files.removeBelow(folder, path);
    }
  }

  /** Decides from the disk whether a path is indexed. @throws Error when there is nothing at the path */
  async examine({ folder, path }: FolderPath): Promise<Examined> {
    const rules = await folder.currentRules();
    return examine(folder.root, path, { rules, maxBytes: maxFileBytes(this.parts.limits()) });
  }
}

/**
 * Restores unchanged files while folders are still being listed. Each batch is twice as large as the one before: the
 * first files are found at once, and a store in another order is gone over a few times only.
 */
class RestoreWhileListing {
  private readonly batch = new Batch<FileToRestore>();
  private fragmentsPerBatch = restoreBatch;
  private restoring: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly ingest: Ingest,
    private readonly parts: IngestParts,
    private readonly signal: AbortSignal,
  ) {}

  add(file: FileOfFolder): void {
    const stored = this.ingest.fileToRestore(file);
    if (stored === undefined) return;
    this.batch.add(stored, stored.entry.fragments.length);
    if (this.batch.fragments >= this.fragmentsPerBatch) this.start();
  }

  /** @throws the signal's reason when it is aborted */
  async finish(): Promise<void> {
    this.start();
    await this.restoring;
  }

  private start(): void {
    this.fragmentsPerBatch *= 2;
    const files = this.batch.take();
    this.restoring = this.restoring.then(() => restore(files, this.parts, this.signal));
    // Whoever awaits it gets the error; until then it must not count as unhandled.
    this.restoring.catch(() => {});
  }
}
