// How long to wait before a sidecar that died is started again.

/** All in milliseconds. */
export interface RestartPolicyOptions {
  /** First delay; every further death in a row doubles it. */
  initialMs: number;
  /** Longest delay. */
  maximumMs: number;
  /** A sidecar that lived this long was healthy: its death starts a new row. */
  healthyMs: number;
}

export const defaultRestartPolicy: RestartPolicyOptions = { initialMs: 500, maximumMs: 30_000, healthyMs: 60_000 };

/** Exponential back-off without jitter: there is one sidecar per window, so nobody to spread out from. */
export class RestartPolicy {
  private deathsInRow = 0;
  private startedAt: number | undefined;

  constructor(private readonly options: RestartPolicyOptions = defaultRestartPolicy) {}

  /** Deaths since the last healthy life or {@link reset}. */
  get deaths(): number {
    return this.deathsInRow;
  }

  /** To be called when the sidecar answers. `now`: milliseconds of any monotonic or wall clock. */
  started(now: number): void {
    this.startedAt = now;
  }

  /** To be called at each death; returns the milliseconds to wait before the next start. */
  died(now: number): number {
    if (this.startedAt !== undefined && now - this.startedAt >= this.options.healthyMs) {
      this.deathsInRow = 0;
    }
    this.startedAt = undefined;
    const delay = Math.min(this.options.maximumMs, this.options.initialMs * 2 ** this.deathsInRow);
    this.deathsInRow += 1;
    return delay;
  }

  /** A restart asked for by the user forgets the past. */
  reset(): void {
    this.deathsInRow = 0;
    this.startedAt = undefined;
  }
}
