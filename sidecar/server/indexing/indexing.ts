// Schedules index runs: one at a time, with file changes collected; each can be stopped.
import { errorMessage } from "../../host/errors";
import type { Log } from "../../host/log";
import type { Folder } from "../../host/paths";
import type { IndexCounts, PauseReason } from "../../protocol";
import type { OnProgress } from "../../workspace/ingest/progress";
import type { OpenDocument } from "../../workspace/priority";
import type { WorkspaceIndex } from "../../workspace/workspace-index";

/** The part of the workspace index that is used here. */
export type Indexable = Pick<
  WorkspaceIndex,
  "setFolders" | "reindex" | "updateFile" | "updateBuffer" | "clear" | "removeFile" | "counts" | "flush"
>;

/** One pass over the folders, as it is shown. After a restart it is still the same run. */
export interface IndexRun {
  /** Stops it; the files that were indexed so far stay in the index. */
  cancel(): void;
  onProgress(listener: OnProgress): void;
  /** Null when it was cancelled. */
  readonly finished: Promise<IndexCounts | null>;
}

export interface IndexingEvents {
  /** A run began. */
  started(run: IndexRun): void;
  /** The number of files done in the current run has changed. */
  progress: OnProgress;
  /** A run ended; `reason` says why, where it ended early. */
  ended(counts: IndexCounts, reason: string | undefined): void;
  /** Indexing was paused for this reason, or is no longer. */
  paused(reason: PauseReason | undefined): void;
  /** The index of these files has changed; without `uris`: of any file. */
  changed(counts: IndexCounts, uris?: readonly string[]): void;
}

/** File changes are collected for this long, so that a save that the watcher sees too is one update. */
const collectMs = 100;
/** Above this many changed files (a branch switch, an install), one run over the folders is cheaper than single updates. */
const manyChanges = 250;
/** That run starts after this long without changes. */
const quietMs = 1000;

interface Running {
  controller: AbortController;
  again: boolean;
  readonly listeners: OnProgress[];
}

export class Indexing {
  private index: Indexable | undefined;
  /** Why it is paused: "off" while everything is. */
  private readonly pauses = new Set<PauseReason | "off">();
  private running: (Running & { readonly run: IndexRun }) | undefined;
  private changes = new Map<string, boolean>();
  /** Unsaved texts to be indexed; undefined for the file on disk. */
  private buffers = new Map<string, string | undefined>();
  private timer: NodeJS.Timeout | undefined;
  private quiet: NodeJS.Timeout | undefined;
  private draining: Promise<void> | undefined;

  constructor(
    private readonly folders: () => readonly Folder[],
    private readonly open: () => readonly OpenDocument[],
    private readonly events: IndexingEvents,
    private readonly log: Log,
  ) {}

  /** Sets the index and begins the first run. */
  attach(index: Indexable): void {
    this.index = index;
    this.restart("start");
  }

  private get paused(): boolean {
    return this.pauses.size > 0;
  }

  /** Why indexing is paused while suggestions are on. */
  get pausedBy(): PauseReason | undefined {
    return this.pauses.has("asked") ? "asked" : this.pauses.has("battery") ? "battery" : undefined;
  }

  /** Stops the current run and ignores changes until {@link resume} for the same reason, which starts a new run. */
  pause(reason: PauseReason | "off"): void {
    this.pauses.add(reason);
    this.events.paused(this.pausedBy);
    this.changes.clear();
    this.buffers.clear();
    if (this.running !== undefined) this.running.again = false;
    this.running?.controller.abort();
  }

  resume(reason: PauseReason | "off"): void {
    if (!this.pauses.delete(reason)) return;
    this.events.paused(this.pausedBy);
    this.restart("no longer paused");
  }

  /** Deletes the index and starts a new run, unless paused. @throws Error while there is no index */
  async clear(): Promise<IndexCounts> {
    const index = this.index;
    if (index === undefined) throw new Error("There is no index yet: the model is not loaded.");
    // It waits for the current run, which the restart ends, and the next run waits for it.
    const cleared = index.clear();
    this.restart("the index is cleared");
    await cleared;
    const counts = index.counts();
    this.events.changed(counts);
    return counts;
  }

  /** The current run, or a new one. @throws Error while there is no index or indexing is paused. */
  reindex(): IndexRun {
    if (this.running !== undefined) return this.running.run;
    if (this.index === undefined) throw new Error("There is no index yet: the model is not loaded.");
    if (this.pauses.has("off")) throw new Error('Indexing is off while the setting "selfracg.enable" is false.');
    if (this.pauses.has("asked")) throw new Error("Indexing is paused: resume it first.");
    if (this.paused)
      throw new Error(
        'Indexing is paused while the machine runs on its battery: plug it in, or set "selfracg.pauseOnBattery" to false.',
      );
    return this.start(this.index, "asked for");
  }

  /** Restarts the current run, or starts one, because other files belong to the index. Embedded fragments are not lost. */
  restart(reason: string): void {
    if (this.index === undefined || this.paused) return;
    if (this.running === undefined) {
      // A failure is logged and shown in the status; nobody waits for this run.
      this.start(this.index, reason).finished.catch(() => {});
      return;
    }
    this.log.debug(`Indexing begins again: ${reason}.`);
    this.running.again = true;
    this.running.controller.abort();
  }

  fileChanged(uri: string, removed: boolean): void {
    // Without an index, the first run will read the file; while paused, the run after the pause will.
    if (this.index === undefined || this.paused) return;
    this.changes.set(uri, removed);
    this.schedule();
  }

  /** The unsaved text of an open file has changed; undefined: the file on disk counts again. */
  bufferChanged(uri: string, text: string | undefined): void {
    if (this.index === undefined || this.paused) return;
    this.buffers.set(uri, text);
    this.schedule();
  }

  private schedule(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.drain();
    }, collectMs);
  }

  /** Ends the current run and writes the index. Never rejects. */
  async dispose(): Promise<void> {
    clearTimeout(this.timer);
    clearTimeout(this.quiet);
    this.pause("off");
    try {
      await this.running?.run.finished.catch(() => null);
      await this.draining;
      await this.index?.flush();
    } catch (error) {
      this.log.error(`The index could not be written: ${errorMessage(error)}`);
    }
  }

  private start(index: Indexable, reason: string): IndexRun {
    this.log.debug(`Indexing begins: ${reason}.`);
    const running: Running = { controller: new AbortController(), again: false, listeners: [] };
    const finished = this.run(index, running);
    const run: IndexRun = {
      cancel: () => {
        running.again = false;
        running.controller.abort();
      },
      onProgress: (listener) => void running.listeners.push(listener),
      finished,
    };
    this.running = Object.assign(running, { run });
    this.events.started(run);
    return run;
  }

  private async run(index: Indexable, running: Running): Promise<IndexCounts | null> {
    // Lets the caller see the run before its first event.
    await Promise.resolve();
    for (;;) {
      running.again = false;
      const { signal } = running.controller;
      const onProgress: OnProgress = (done, total, secondsLeft) => {
        if (signal.aborted) return;
        this.events.progress(done, total, secondsLeft);
        for (const listener of running.listeners) listener(done, total, secondsLeft);
      };
      try {
        onProgress(0, 0);
        await index.setFolders(this.folders());
        const counts = await index.reindex({ signal, onProgress, open: this.open() });
        if (running.again) throw new DOMException("again", "AbortError");
        // In the same turn as the check of `again`: a restart is noticed either here or by the next run.
        this.running = undefined;
        this.events.ended(counts, undefined);
        return counts;
      } catch (error) {
        if (running.again) {
          running.controller = new AbortController();
          continue;
        }
        this.running = undefined;
        const cancelled = signal.aborted;
        this.events.ended(
          index.counts(),
          cancelled ? (this.paused ? undefined : "Indexing was cancelled.") : `Indexing failed: ${errorMessage(error)}`,
        );
        if (cancelled) return null;
        this.log.error(`Indexing failed: ${errorMessage(error)}`);
        throw error;
      }
    }
  }

  /** One drain at a time, so that the updates of one file stay in order. */
  private drain(): Promise<void> {
    this.draining = (this.draining ?? Promise.resolve()).then(() => this.applyChanges());
    return this.draining;
  }

  private async applyChanges(): Promise<void> {
    const index = this.index;
    if (index === undefined) return;
    const buffers = [...this.buffers];
    this.buffers.clear();
    for (const [uri, text] of buffers)
      await index
        .updateBuffer(uri, text)
        .catch((error: unknown) =>
          this.log.warn(`${uri}: its unsaved text could not be indexed: ${errorMessage(error)}`),
        );
    const changed = buffers.map(([uri]) => uri);
    const many = this.changes.size > manyChanges;
    const changes = many ? [] : [...this.changes];
    this.changes.clear();
    if (many) {
      clearTimeout(this.quiet);
      this.quiet = setTimeout(() => this.restart("very many files changed"), quietMs);
    }
    for (const [uri, removed] of changes) {
      if (this.paused) return;
      changed.push(uri);
      try {
        await (removed ? index.removeFile(uri) : index.updateFile(uri));
      } catch (error) {
        this.log.warn(`${uri} could not be indexed and is left as it was: ${errorMessage(error)}`);
      }
    }
    if (changed.length > 0) this.events.changed(index.counts(), changed);
  }
}
