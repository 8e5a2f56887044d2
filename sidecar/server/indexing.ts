// Decides when the index is read anew: one run at a time, file changes gathered, all of it stoppable.
import type { IndexCounts } from "../protocol";
import type { Folder } from "./document-path";
import type { Log } from "./log";

/** What indexing asks of the workspace room. */
export interface Indexable {
  setFolders(folders: readonly Folder[]): void | Promise<void>;
  reindex(options: { signal: AbortSignal; onProgress: (done: number, total: number) => void }): Promise<IndexCounts>;
  updateFile(uri: string): Promise<unknown>;
  removeFile(uri: string): unknown;
  counts(): IndexCounts;
  flush(): Promise<unknown>;
}

/** One pass over the folders, for those who show it. A restart within it is still the same run. */
export interface IndexRun {
  /** Stops it; what was indexed so far stays. */
  cancel(): void;
  onProgress(listener: (done: number, total: number) => void): void;
  /** Null when it was cancelled. */
  readonly finished: Promise<IndexCounts | null>;
}

export interface IndexingEvents {
  /** A run began. */
  started(run: IndexRun): void;
  /** Fewer or more files are done of the present run. */
  progress(done: number, total: number): void;
  /** A run ended; `reason` says why early, where it did. */
  ended(counts: IndexCounts, reason: string | undefined): void;
  /** The index holds something else than before. */
  changed(counts: IndexCounts): void;
}

/** File changes are gathered this long, so that a save that is also seen by the watcher is one update. */
const gatherMs = 100;
/** Above this many changed files (a branch switch, an install), one run over the folders is cheaper than single updates. */
const manyChanges = 250;
/** That run waits until it has been quiet for this long. */
const quietMs = 1000;

interface Running {
  controller: AbortController;
  again: boolean;
  readonly listeners: ((done: number, total: number) => void)[];
}

export class Indexing {
  readonly #folders: () => readonly Folder[];
  readonly #events: IndexingEvents;
  readonly #log: Log;
  #index: Indexable | undefined;
  #paused = false;
  #running: (Running & { readonly run: IndexRun }) | undefined;
  #changes = new Map<string, boolean>();
  #timer: NodeJS.Timeout | undefined;
  #quiet: NodeJS.Timeout | undefined;
  #draining: Promise<void> | undefined;

  constructor(folders: () => readonly Folder[], events: IndexingEvents, log: Log) {
    this.#folders = folders;
    this.#events = events;
    this.#log = log;
  }

  /** The index is there: begins the first run. */
  attach(index: Indexable): void {
    this.#index = index;
    this.restart("start");
  }

  /** Stops what is under way and passes over changes until {@link resume}, which reads the folders anew. */
  pause(): void {
    this.#paused = true;
    this.#changes.clear();
    if (this.#running !== undefined) this.#running.again = false;
    this.#running?.controller.abort();
  }

  resume(): void {
    this.#paused = false;
    this.restart("switched on");
  }

  /** Joins the run that is under way, or begins one. @throws Error while there is no index or indexing is paused. */
  reindex(): IndexRun {
    if (this.#running !== undefined) return this.#running.run;
    if (this.#index === undefined) throw new Error("There is no index yet: the model is not loaded.");
    if (this.#paused) throw new Error('Indexing is off while the setting "selfracg.enable" is false.');
    return this.#start(this.#index, "asked for");
  }

  /** What belongs to the index changed: a run under way begins again, else one begins. Embedded fragments are not lost by it. */
  restart(reason: string): void {
    if (this.#index === undefined || this.#paused) return;
    if (this.#running === undefined) {
      // A failure is logged and in the status; nobody waits for this run.
      this.#start(this.#index, reason).finished.catch(() => {});
      return;
    }
    this.#log.debug(`Indexing begins again: ${reason}.`);
    this.#running.again = true;
    this.#running.controller.abort();
  }

  fileChanged(uri: string, removed: boolean): void {
    // Without an index the first run will see the file as it is then; while paused, the run after it.
    if (this.#index === undefined || this.#paused) return;
    this.#changes.set(uri, removed);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#drain();
    }, gatherMs);
  }

  /** Ends a run and writes what is not yet written. Never rejects. */
  async dispose(): Promise<void> {
    clearTimeout(this.#timer);
    clearTimeout(this.#quiet);
    this.pause();
    try {
      await this.#running?.run.finished.catch(() => null);
      await this.#draining;
      await this.#index?.flush();
    } catch (error) {
      this.#log.error(`The index could not be written: ${messageOf(error)}`);
    }
  }

  #start(index: Indexable, reason: string): IndexRun {
    this.#log.debug(`Indexing begins: ${reason}.`);
    const running: Running = { controller: new AbortController(), again: false, listeners: [] };
    const finished = this.#run(index, running);
    const run: IndexRun = {
      cancel: () => {
        running.again = false;
        running.controller.abort();
      },
      onProgress: (listener) => void running.listeners.push(listener),
      finished,
    };
    this.#running = Object.assign(running, { run });
    this.#events.started(run);
    return run;
  }

  async #run(index: Indexable, running: Running): Promise<IndexCounts | null> {
    // Lets the caller see the run before its first event.
    await Promise.resolve();
    for (;;) {
      running.again = false;
      const { signal } = running.controller;
      const onProgress = (done: number, total: number): void => {
        if (signal.aborted) return;
        this.#events.progress(done, total);
        for (const listener of running.listeners) listener(done, total);
      };
      try {
        onProgress(0, 0);
        await index.setFolders(this.#folders());
        const counts = await index.reindex({ signal, onProgress });
        if (running.again) throw new DOMException("again", "AbortError");
        // Together with the look at `again`: a restart is heard either here or by the next run.
        this.#running = undefined;
        this.#events.ended(counts, undefined);
        return counts;
      } catch (error) {
        if (running.again) {
          running.controller = new AbortController();
          continue;
        }
        this.#running = undefined;
        const cancelled = signal.aborted;
        this.#events.ended(index.counts(), cancelled ? "Indexing was cancelled." : `Indexing failed: ${messageOf(error)}`);
        if (cancelled) return null;
        this.#log.error(`Indexing failed: ${messageOf(error)}`);
        throw error;
      }
    }
  }

  /** One drain at a time, so that the updates of one file stay in order. */
  #drain(): Promise<void> {
    this.#draining = (this.#draining ?? Promise.resolve()).then(() => this.#applyChanges());
    return this.#draining;
  }

  async #applyChanges(): Promise<void> {
    const index = this.#index;
    if (index === undefined || this.#changes.size === 0) return;
    if (this.#changes.size > manyChanges) {
      this.#changes.clear();
      clearTimeout(this.#quiet);
      this.#quiet = setTimeout(() => this.restart("very many files changed"), quietMs);
      return;
    }
    const changes = [...this.#changes];
    this.#changes.clear();
    for (const [uri, removed] of changes) {
      if (this.#paused) return;
      try {
        await (removed ? index.removeFile(uri) : index.updateFile(uri));
      } catch (error) {
        this.#log.warn(`${uri} could not be indexed and is left as it was: ${messageOf(error)}`);
      }
    }
    this.#events.changed(index.counts());
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
