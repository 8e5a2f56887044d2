// How long to wait before a sidecar that ended unexpectedly is started again.

/** All in milliseconds. */
export interface RestartPolicyOptions {
  /** First delay; each further failure in a row doubles it. */
  initialMs: number;
  /** Longest delay. */
  maximumMs: number;
  /** A sidecar that ran this long was healthy: its end starts a new row. */
  healthyMs: number;
}

export const defaultRestartPolicy: RestartPolicyOptions = { initialMs: 500, maximumMs: 30_000, healthyMs: 60_000 };

/** Exponential back-off without jitter: a window has one sidecar, so there are no others to stay apart from. */
export class RestartPolicy {
  private failuresInRow = 0;
  private startedAt: number | undefined;

  constructor(private readonly options: RestartPolicyOptions = defaultRestartPolicy) {}

  /** Failures since the last healthy run or {@link reset}. */
  get failures(): number {
    return this.failuresInRow;
  }

  /** To be called when the sidecar answers. `now`: milliseconds of any monotonic or wall clock. */
  started(now: number): void {
    this.startedAt = now;
  }

  /** To be called at each failure; returns the milliseconds to wait before the next start. */
  failed(now: number): number {
    if (this.startedAt !== undefined && now - this.startedAt >= this.options.healthyMs) {
      this.failuresInRow = 0;
    }
    this.startedAt = undefined;
    const delay = Math.min(this.options.maximumMs, this.options.initialMs * 2 ** this.failuresInRow);
    this.failuresInRow += 1;
    return delay;
  }

  /** A restart by the user starts a new row. */
  reset(): void {
    this.failuresInRow = 0;
    this.startedAt = undefined;
  }
}
