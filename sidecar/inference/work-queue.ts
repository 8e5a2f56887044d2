// Serialises the model's work; completions run before index batches.
import { abortError } from "../host/errors";
import type { Priority } from "./backbone";

interface Job {
  readonly start: () => Promise<void>;
  readonly reject: (error: Error) => void;
}

/** A queue of two priorities. Work is never interrupted, so callers split it into small jobs. */
export class WorkQueue {
  private readonly waiting: Record<Priority, Job[]> = { completion: [], index: [] };
  private running = false;
  private closed: Error | undefined;

  /**
   * Runs `work` when its turn comes.
   * @throws AbortError when `signal` is aborted before the turn comes; the error given to {@link close} after that.
   */
  run<T>(priority: Priority, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.closed !== undefined) return reject(this.closed);
      if (signal?.aborted === true) return reject(abortError());
      const queue = this.waiting[priority];
      const job: Job = {
        reject,
        start: () => {
          signal?.removeEventListener("abort", abandon);
          return work().then(resolve, reject);
        },
      };
      const abandon = (): void => {
        const place = queue.indexOf(job);
        if (place >= 0) queue.splice(place, 1);
        reject(abortError());
      };
      signal?.addEventListener("abort", abandon, { once: true });
      queue.push(job);
      if (!this.running) void this.drain();
    });
  }

  /** Rejects waiting and later jobs; resolves when the running job has ended. */
  async close(reason: Error): Promise<void> {
    this.closed ??= reason;
    for (const queue of [this.waiting.completion, this.waiting.index])
      for (const job of queue.splice(0)) job.reject(this.closed);
    while (this.running) await breath();
  }

  private async drain(): Promise<void> {
    this.running = true;
    for (;;) {
      // Lets a completion queue its next token before a batch of the index starts.
      if (this.waiting.completion.length === 0) await breath();
      const job = this.waiting.completion.shift() ?? this.waiting.index.shift();
      if (job === undefined) break;
      await job.start();
    }
    this.running = false;
  }
}

function breath(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
