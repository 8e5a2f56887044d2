// Forms batches of fragments to embed: of similar lengths, and short enough that a completion can wait for one.

/** One row to embed. */
export interface BatchRow {
  /** Index in the caller's list. */
  readonly index: number;
  /** Tokens. */
  readonly length: number;
}

/** Target duration of a batch in milliseconds. A completion requested meanwhile waits for the batch, 50 ms at most. */
const maxBatchMs = 30;
/** Tokens of the first batch, before any is timed, and of the largest batch. */
const firstTokens = 128;
const maxTokens = 1024;
/** A run of the model costs about as much as this many tokens: with more padding, another run is cheaper. */
const tokensOfRun = 32;
/** Factor by which batches grow after a full one that was fast. */
const growth = 1.25;

/** Cuts lists of rows into batches, whose size it adapts to their measured duration. */
export class EmbeddingBatcher {
  private tokens = firstTokens;

  /** The rows sorted by descending length, so that batches need little padding. */
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
    // Batches shrink at once when one is slow, and grow again step by step.
    if (ms > maxBatchMs) this.tokens = Math.max(1, Math.floor((tokens * maxBatchMs) / ms));
    else if (tokens + (batch[0]?.length ?? 0) > this.tokens && ms < maxBatchMs / growth)
      this.tokens = Math.min(maxTokens, Math.ceil(this.tokens * growth));
  }
}
