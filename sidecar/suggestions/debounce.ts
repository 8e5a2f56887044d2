// Debounces requests: how long one waits for the next keystroke, by the typing rhythm and the model's speed.
import { setTimeout } from "node:timers/promises";

/** Maximum wait, milliseconds from the last keystroke. */
export const maxWaitMs = 150;
/** Step between the waits that are compared. */
const stepMs = 25;
/** A pause between keystrokes counts as at most this long. */
const pauseMs = 2000;
/** Number of last keystrokes and completions that rhythm and speed are taken from. */
const maxKeystrokes = 64;
const maxCompletions = 9;
/** A suggestion that disappears sooner was not read. */
const minReadableMs = 200;

/**
 * The costs of a millisecond of the model's work, of a suggestion that flashes up, and of one that never came, in milliseconds
 * of waiting. A flash costs less than no suggestion: one that is typed along stays and can still be accepted.
 */
const costs = { computeMs: 0.2, flash: 20, missed: 80 } as const;

/** The rhythm assumed at first: 40 words a minute, with a pause to think after every tenth key. */
export const defaultRhythm: readonly number[] = [110, 130, 145, 160, 175, 190, 210, 240, 300, pauseMs];
const defaultLatencyMs = 150;

/**
 * The wait of minimum expected cost, 0..{@link maxWaitMs}, in milliseconds from the last keystroke. Each interval of the rhythm
 * is one possible time of the next keystroke: during the wait, nothing was computed or shown; while the model works, that was
 * in vain; soon after the suggestion is shown, it flashed up; otherwise the wait is the cost.
 * @param intervals milliseconds between keystrokes, 1 or more of them
 * @param latencyMs of a completion, without the wait
 */
export function chooseWait(intervals: readonly number[], latencyMs: number): number {
  let best = { wait: 0, cost: Infinity };
  for (let wait = 0; wait <= maxWaitMs; wait += stepMs) {
    let cost = 0;
    for (const interval of intervals) {
      const left = interval - wait;
      cost += costs.computeMs * Math.min(Math.max(0, left), latencyMs);
      if (left <= latencyMs) cost += costs.missed;
      else cost += left < latencyMs + minReadableMs ? costs.flash : wait;
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

const systemClock: Clock = {
  now: () => performance.now(),
  // Only an aborted signal makes it reject.
  sleep: (ms, signal) => setTimeout(ms, undefined, { signal }).catch(() => {}),
};

/** Records keystrokes and completions, and delays requests. */
export class Debounce {
  private readonly intervals: number[] = [];
  private readonly latencies: number[] = [];
  private last = -Infinity;

  constructor(private readonly clock: Clock = systemClock) {}

  /** Records that somebody typed or deleted something, in any document. */
  keystroke(): void {
    const now = this.clock.now();
    const interval = now - this.last;
    this.last = now;
    if (interval === Infinity) return;
    this.intervals.push(Math.min(interval, pauseMs));
    if (this.intervals.length > maxKeystrokes) this.intervals.shift();
  }

  /** Records the milliseconds of a completion, without the wait. */
  completed(ms: number): void {
    this.latencies.push(ms);
    if (this.latencies.length > maxCompletions) this.latencies.shift();
  }

  /** The wait of a request right after a keystroke, milliseconds. */
  get wait(): number {
    // Until enough keystrokes are recorded, the default rhythm counts as well.
    const rhythm =
      this.intervals.length < defaultRhythm.length ? [...defaultRhythm, ...this.intervals] : this.intervals;
    return chooseWait(rhythm, median(this.latencies) ?? defaultLatencyMs);
  }

  /**
   * Waits for the rest of the wait since the last keystroke; not at all where that was long ago. Returns early when `signal` is
   * aborted.
   * @returns milliseconds waited
   */
  async hold(signal: AbortSignal): Promise<number> {
    const start = this.clock.now();
    const left = this.wait - (start - this.last);
    if (!(left > 0) || signal.aborted) return 0;
    await this.clock.sleep(left, signal);
    return this.clock.now() - start;
  }
}

function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
