// Keeps long work from holding the event loop: a keystroke must never wait for the index.
import { setImmediate } from "node:timers/promises";

/** Milliseconds of work between two rests. */
const sliceMs = 8;

/** Rests whenever a slice of time has gone by. */
export class Pace {
  private start = performance.now();

  /** Whether it is time to rest: asked first where there are tens of thousands of steps, since even to await nothing takes time. */
  get due(): boolean {
    return performance.now() - this.start >= sliceMs;
  }

  /** Lets everything that waits run, if it is time to. */
  async rest(): Promise<void> {
    if (!this.due) return;
    await setImmediate();
    this.start = performance.now();
  }
}
