// Yields to the event loop during long work: a keystroke must never wait for the index.
import { setImmediate } from "node:timers/promises";

/** Milliseconds of work between two yields. */
const sliceMs = 8;

/** Yields whenever a slice of time has passed. */
export class Yielder {
  private start = performance.now();

  /** Whether it is time to yield. Loops over tens of thousands of items check it first, because every `await` takes time. */
  get isDue(): boolean {
    return performance.now() - this.start >= sliceMs;
  }

  /** Lets everything else that waits run, if it is time to. */
  async yieldIfDue(): Promise<void> {
    if (!this.isDue) return;
    await setImmediate();
    this.start = performance.now();
  }
}
