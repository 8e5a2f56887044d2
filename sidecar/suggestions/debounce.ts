// How long a request waits for the next keystroke before the model is asked: by the person's rhythm and the model's speed.
import { setTimeout } from "node:timers/promises";

/** Longest wait, milliseconds from the last keystroke. */
export const longestWaitMs = 150;
/** Waits that are weighed against each other lie this far apart. */
const stepMs = 25;
/** Keystrokes further apart than this are a pause like any other. */
const pauseMs = 2000;
/** The rhythm is that of so many last keystrokes, and the speed that of so many last completions. */
const keystrokesRemembered = 64;
const completionsRemembered = 9;
/** A suggestion that goes away sooner has not been read. */
const readableMs = 200;

/**
 * What a millisecond of the model's work costs, a suggestion that flashes up, and one that never came, in milliseconds that
 * somebody waits for one. A flash costs less than none at all: what is typed along it stays, and can still be taken.
 */
const costs = { computeMs: 0.2, flash: 20, missed: 80 } as const;

/** Stands for a rhythm not heard yet: somebody who types 40 words a minute and stops to think after every tenth key. */
export const plainRhythm: readonly number[] = [110, 130, 145, 160, 175, 190, 210, 240, 300, pauseMs];
const plainLatencyMs = 150;

/**
 * The wait of least expected cost, 0..{@link longestWaitMs}, in milliseconds from the last keystroke. Every interval of the
 * rhythm is one way how it may go on: with a keystroke in the wait, nothing was done and nothing shown; with one while the
 * model works, that was in vain besides; with one soon after the suggestion is shown, it flashed up; else the wait was waited.
 * @param intervals milliseconds between keystrokes, 1 or more of them
 * @param latencyMs from the model's being asked to the suggestion
 */
export function chooseWait(intervals: readonly number[], latencyMs: number): number {
  let best = { wait: 0, cost: Infinity };
  for (let wait = 0; wait <= longestWaitMs; wait += stepMs) {
    let cost = 0;
    for (const interval of intervals) {
      const left = interval - wait;
      cost += costs.computeMs * Math.min(Math.max(0, left), latencyMs);
      if (left <= latencyMs) cost += costs.missed;
      else cost += left < latencyMs + readableMs ? costs.flash : wait;
    }
    if (cost < best.cost) best = { wait, cost };
  }
  return best.wait;
}

/** Milliseconds, from any beginning, and a timer: a test has its own. */
export interface Clock {
  now(): number;
  /** Resolves after `ms`, or at once when `signal` is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  // Only an aborted signal makes it reject.
  sleep: (ms, signal) => setTimeout(ms, undefined, { signal }).catch(() => {}),
};

/** Hears keystrokes and completions, and holds requests back. */
export class Debounce {
  readonly #clock: Clock;
  readonly #intervals: number[] = [];
  readonly #latencies: number[] = [];
  #last = -Infinity;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** Somebody typed or deleted something, in whichever document. */
  keystroke(): void {
    const now = this.#clock.now();
    const interval = now - this.#last;
    this.#last = now;
    if (interval === Infinity) return;
    this.#intervals.push(Math.min(interval, pauseMs));
    if (this.#intervals.length > keystrokesRemembered) this.#intervals.shift();
  }

  /** A completion ran to its end in so many milliseconds, waiting left out. */
  completed(ms: number): void {
    this.#latencies.push(ms);
    if (this.#latencies.length > completionsRemembered) this.#latencies.shift();
  }

  /** What a request right after a keystroke would wait, milliseconds. */
  get wait(): number {
    // Until enough of it is heard, the rhythm is half heard and half supposed.
    const heard = this.#intervals.length < plainRhythm.length ? [...plainRhythm, ...this.#intervals] : this.#intervals;
    return chooseWait(heard, median(this.#latencies) ?? plainLatencyMs);
  }

  /**
   * Waits what is left of the wait since the last keystroke; nothing where there was none or it was long ago. Returns early
   * when `signal` is aborted.
   * @returns milliseconds waited
   */
  async hold(signal: AbortSignal): Promise<number> {
    const start = this.#clock.now();
    const left = this.wait - (start - this.#last);
    if (!(left > 0) || signal.aborted) return 0;
    await this.#clock.sleep(left, signal);
    return this.#clock.now() - start;
  }
}

function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
