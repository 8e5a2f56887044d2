// What the inference thread does: reads texts in chunks from where they differ from those held, and embeds batches.
import type { Graph, NewRows } from "./graph";
import type { Sequence, SequencePool } from "./kv-cache";

export interface Reading {
  readonly tokens: Int32Array;
  /** The logits after this many of the last tokens are wanted. */
  readonly logits: number;
  /** Whether the need at the end is wanted. */
  readonly express: boolean;
}

export interface Read {
  /** Wanted positions x vocabulary. */
  readonly logits: Float32Array;
  /** The need; empty unless wanted. */
  readonly expression: Float32Array;
  /** Tokens at the beginning that were held. */
  readonly reused: number;
}

/** Longest time that passes between two looks at whether anybody still waits, in milliseconds, with some to spare. */
const longestChunkMs = 30;
const leastChunk = 16;
/** Beyond it a chunk computes more scores of keys that its tokens must not see than fewer runs save. */
const mostChunk = 256;

export class Reader {
  private chunk: number;
  /** What the last run of a reading made, until it is kept. */
  private made:
    | { readonly sequence: Sequence; readonly room: number; readonly tokens: Int32Array; readonly rows: NewRows }
    | undefined;

  /** @param chunkTokens tokens read between two looks at the cancellation; 0: as many as take about {@link longestChunkMs}, by the time they took before. */
  constructor(
    private readonly graph: Graph,
    private readonly pool: SequencePool,
    private readonly chunkTokens: number,
  ) {
    this.chunk = chunkTokens > 0 ? chunkTokens : 2 * leastChunk;
  }

  /**
   * Reads what of the tokens no text held begins with; what is wanted of the last tokens has them read again. Undefined
   * where `cancelled` said so between two chunks: what was read until then is kept.
   *
   * What the last run made is kept by {@link keep}, so that the answer need not wait for it.
   */
  async read({ tokens, logits, express }: Reading, cancelled: () => boolean): Promise<Read | undefined> {
    this.keep();
    const sequence = this.pool.take(tokens, tokens.length - Math.max(1, logits));
    const reused = sequence.length;
    for (;;) {
      if (cancelled()) return undefined;
      const rest = tokens.length - sequence.length;
      // Positions whose logits are wanted are read in one run.
      const last = rest <= Math.max(this.chunk, logits);
      const row = tokens.slice(
        sequence.length,
        last ? undefined : Math.min(sequence.length + this.chunk, tokens.length - logits),
      );
      const start = performance.now();
      const passed = await this.graph.run({
        rows: [row],
        past: sequence.past(),
        logits: last ? logits : 0,
        adapter: last && express ? "query" : "none",
        keep: true,
      });
      if (row.length === this.chunk) this.adapt(performance.now() - start);
      if (passed.rows !== undefined) this.made = { sequence, room: tokens.length, tokens: row, rows: passed.rows };
      if (last) return { logits: passed.logits, expression: passed.expression, reused };
      this.keep();
    }
  }

  /** Writes what the last reading made behind its text. The next reading does so first where it was left out. */
  keep(): void {
    if (this.made === undefined) return;
    const { sequence, room, tokens, rows } = this.made;
    this.made = undefined;
    this.pool.makeRoom(sequence, room);
    sequence.append(tokens, rows);
  }

  /** What the need at the end of `tokens` weighs, read anew: layers x tokens. */
  async weigh(tokens: Int32Array): Promise<Float32Array> {
    return (await this.graph.run({ rows: [tokens], logits: 0, adapter: "query", attention: true })).attention;
  }

  /** Fragment expressions of one batch: rows x dimension. */
  async embed(rows: readonly Int32Array[]): Promise<Float32Array> {
    return (await this.graph.run({ rows, logits: 0, adapter: "fragment" })).expression;
  }

  /** A chunk that took too long is halved, one that took less than half of what it may is doubled, at once as often as that holds. */
  private adapt(ms: number): void {
    if (this.chunkTokens > 0) return;
    if (ms > longestChunkMs) this.chunk = Math.max(leastChunk, this.chunk / 2);
    for (let expected = ms; expected < longestChunkMs / 2.5 && this.chunk < mostChunk; expected *= 2) this.chunk *= 2;
  }
}
