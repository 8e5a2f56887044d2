// Forms batches of fragments to embed: of similar lengths, and short enough for a completion to wait for one.

/** One row to embed. */
export interface BatchRow {
  /** Index in the caller's list. */
  readonly index: number;
  /** Tokens. */
  readonly length: number;
}

/** Maximum milliseconds of a batch: a completion that is requested meanwhile waits for it, at most 50 ms. */
const maxBatchMs = 30;
/** Tokens of the first batch, before any is timed, and of the largest one. */
const firstTokens = 128;
const maxTokens = 1024;
/** A run of the model costs about as much as this many more tokens: more padding than that costs more than another run. */
const tokensOfRun = 32;
/** By how much batches grow after a full one that took little time. */
const growth = 1.25;

/** Cuts lists of rows into batches, whose size it adapts to the time that they take. */
export class EmbeddingBatcher {
  private tokens = firstTokens;

  /** The rows, longest first, so that little padding is needed. */
  order(lengths: readonly number[]): BatchRow[] {
    return lengths.map((length, index) => ({ index, length })).sort((a, b) => b.length - a.length);
  }

  /** Removes the next batch, at least one row, from the beginning of `waiting`. */
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

  /** Records that `batch` took `ms` milliseconds. */
  recordDuration(batch: readonly BatchRow[], ms: number): void {
    const tokens = (batch[0]?.length ?? 0) * batch.length;
    // A pause of the machine makes batches smaller at once; they grow again step by step.
    if (ms > maxBatchMs) this.tokens = Math.max(1, Math.floor((tokens * maxBatchMs) / ms));
    else if (tokens + (batch[0]?.length ?? 0) > this.tokens && ms < maxBatchMs / growth)
      this.tokens = Math.min(maxTokens, Math.ceil(this.tokens * growth));
  }
}
