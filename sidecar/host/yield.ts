// Yields to the event loop during long work, so that a keystroke never waits for the index.
import { setImmediate } from "node:timers/promises";

/** Milliseconds of work between two yields. */
const sliceMs = 8;

/** Yields after every slice of time. */
export class Yielder {
  private start = performance.now();

  /** Whether it is time to yield. Long loops check this first, because every `await` takes time. */
  get isDue(): boolean {
    return performance.now() - this.start >= sliceMs;
  }

  /** Lets other tasks run, if it is time to yield. */
  async yieldIfDue(): Promise<void> {
    if (!this.isDue) return;
    await setImmediate();
    this.start = performance.now();
  }
}
