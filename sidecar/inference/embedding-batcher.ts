// Which fragments are embedded together: alike lengths, as many as take no longer than a completion may wait.

/** One row to embed. */
export interface BatchRow {
  /** Place in the caller's list. */
  readonly index: number;
  /** Tokens. */
  readonly length: number;
}

/** What a batch may take, in milliseconds: a completion that comes meanwhile waits for it, 50 ms at the most. */
const longestBatchMs = 30;
/** Tokens of a first batch, before any was timed, and of the largest. */
const firstTokens = 128;
const mostTokens = 1024;
/** A run costs about as much as this many tokens more in another: padding beyond it is dearer than a run of its own. */
const tokensOfRun = 32;
/** How much larger batches may be after one that nothing more fitted in and that took little time. */
const growth = 1.25;

/** Cuts lists of rows into batches and learns from the time that each took how large they may be. */
export class BatchPlan {
  private tokens = firstTokens;

  /** Rows to be embedded, the longest first, so that most of what is padded is padded little. */
  order(lengths: readonly number[]): BatchRow[] {
    return lengths.map((length, index) => ({ index, length })).sort((a, b) => b.length - a.length);
  }

  /** Takes the next batch, one row at the least, off the beginning of `waiting`. */
  next(waiting: BatchRow[]): BatchRow[] {
    const width = waiting[0]?.length ?? 0;
    let size = 1;
    let padding = 0;
    for (; size < waiting.length && (size + 1) * width <= this.tokens; size++) {
      padding += width - (waiting[size]?.length ?? 0);
      if (padding > tokensOfRun) break;
    }
    return waiting.splice(0, size);
  }

  /** Learns that `batch` took `ms` milliseconds. */
  took(batch: readonly BatchRow[], ms: number): void {
    const tokens = (batch[0]?.length ?? 0) * batch.length;
    // A pause of the machine makes batches smaller at once; they grow again step by step.
    if (ms > longestBatchMs) this.tokens = Math.max(1, Math.floor((tokens * longestBatchMs) / ms));
    else if (tokens + (batch[0]?.length ?? 0) > this.tokens && ms < longestBatchMs / growth)
      this.tokens = Math.min(mostTokens, Math.ceil(this.tokens * growth));
  }
}
