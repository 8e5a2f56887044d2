// The progress of a download: bytes, their rate over the last seconds, and the time left.

export interface DownloadProgress {
  /** Bytes that are on disk, those of earlier attempts included. */
  readonly done: number;
  /** Bytes of the file; undefined when the server does not tell. */
  readonly total: number | undefined;
  /** Over the last seconds; undefined until there is something to measure. */
  readonly bytesPerSecond: number | undefined;
  readonly secondsLeft: number | undefined;
}

/** Length of the window that the rate is measured over, and the shortest one that tells anything, in milliseconds. */
const windowMs = 8000;
const minWindowMs = 500;

/** Measures the rate at which `done` grows. Bytes of earlier attempts do not count. */
export class RateMeter {
  private readonly samples: { readonly atMs: number; readonly bytes: number }[] = [];

  /** @param now a clock in milliseconds */
  constructor(private readonly now: () => number = () => performance.now()) {}

  /** Forgets what was measured: the number of bytes has changed by other means than receiving. */
  reset(): void {
    this.samples.length = 0;
  }

  progress(done: number, total: number | undefined): DownloadProgress {
    const atMs = this.now();
    const { samples } = this;
    const last = samples.at(-1);
    if (last === undefined || atMs - last.atMs >= windowMs / 40) samples.push({ atMs, bytes: done });
    while (samples.length > 2 && atMs - (samples[0]?.atMs ?? atMs) > windowMs) samples.shift();
    const [first] = samples;
    const elapsedMs = first === undefined ? 0 : atMs - first.atMs;
    const bytesPerSecond =
      first === undefined || elapsedMs < minWindowMs ? undefined : ((done - first.bytes) * 1000) / elapsedMs;
    const secondsLeft =
      total === undefined || bytesPerSecond === undefined || bytesPerSecond <= 0
        ? undefined
        : Math.max(0, total - done) / bytesPerSecond;
    return { done, total, bytesPerSecond, secondsLeft };
  }
}

/** For example "123 of 491 MB, 12.3 MB/s, about 30 s left". */
export function describeProgress({ done, total, bytesPerSecond, secondsLeft }: DownloadProgress): string {
  const size = total === undefined ? `${mega(done)} MB` : `${mega(done)} of ${mega(total)} MB`;
  const rate = bytesPerSecond === undefined ? "" : `, ${(bytesPerSecond / 1e6).toFixed(1)} MB/s`;
  return `${size}${rate}${secondsLeft === undefined ? "" : `, about ${duration(secondsLeft)} left`}`;
}

function mega(bytes: number): string {
  return Math.round(bytes / 1e6).toLocaleString("en-US");
}

function duration(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}
