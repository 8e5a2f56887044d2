// Reports how far indexing is: files done, files in all, and an estimate of the seconds left.

/** @param secondsLeft undefined while too little is done to tell */
export type OnProgress = (done: number, total: number, secondsLeft?: number) => void;

const minMsBetweenReports = 50;
/** Seconds of work before an estimate is worth anything. */
const minSeconds = 3;

export class Progress {
  private done = 0;
  private reportedAt = 0;
  private estimate: { readonly start: number; readonly bytes: number } | undefined;
  private bytesDone = 0;

  /** @param onProgress called at most every 50 milliseconds, and at the end */
  constructor(
    private readonly total: number,
    private readonly onProgress: OnProgress | undefined,
  ) {
    this.advance(0);
  }

  /** Begins to estimate by bytes, since files are too unequal to count. @param bytes to be read and embedded */
  beginReading(bytes: number): void {
    this.estimate = { start: performance.now(), bytes };
  }

  /** @param bytes of these files, where they were read and embedded */
  advance(files: number, bytes = 0): void {
    this.done += files;
    this.bytesDone += bytes;
    if (performance.now() - this.reportedAt < minMsBetweenReports && this.done < this.total) return;
    this.reportedAt = performance.now();
    this.onProgress?.(this.done, this.total, this.secondsLeft());
  }

  private secondsLeft(): number | undefined {
    if (this.estimate === undefined || this.bytesDone === 0) return undefined;
    const seconds = (performance.now() - this.estimate.start) / 1000;
    if (seconds < minSeconds) return undefined;
    return Math.round((seconds / this.bytesDone) * Math.max(0, this.estimate.bytes - this.bytesDone));
  }
}
