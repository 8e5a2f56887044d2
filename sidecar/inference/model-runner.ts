// Runs the model in the inference thread: reads prompts in chunks, from the KV cache on, and embeds batches.
import type { Graph, NewRows } from "./graph";
import type { KvCacheEntry, KvCachePool } from "./kv-cache";

export interface ForwardRequest {
  readonly tokens: Int32Array;
  /** The logits after this many of the last tokens are wanted. */
  readonly logits: number;
  /** Whether the need at the end is wanted. */
  readonly express: boolean;
}

export interface ForwardResult {
  /** Wanted positions x vocabulary. */
  readonly logits: Float32Array;
  /** The need; empty unless wanted. */
  readonly expression: Float32Array;
  /** Number of tokens that came from the KV cache. */
  readonly reused: number;
}

/** Maximum milliseconds between two checks for cancellation, with some to spare. */
const maxChunkMs = 30;
const minChunk = 16;
/** Beyond this, a chunk computes more masked attention scores than fewer runs save. */
const maxChunk = 256;

export class ModelRunner {
  private chunk: number;
  /** Rows that the last run computed and that are not in the cache yet. */
  private pending:
    | { readonly entry: KvCacheEntry; readonly room: number; readonly tokens: Int32Array; readonly rows: NewRows }
    | undefined;

  /** @param chunkTokens tokens between two checks for cancellation; 0: as many as take about {@link maxChunkMs}, as measured. */
  constructor(
    private readonly graph: Graph,
    private readonly pool: KvCachePool,
    private readonly chunkTokens: number,
  ) {
    this.chunk = chunkTokens > 0 ? chunkTokens : 2 * minChunk;
  }

  /**
   * Reads the tokens that are not in the KV cache, and those whose logits are wanted. Undefined where it was cancelled between
   * two chunks; the chunks before that stay in the cache.
   *
   * The rows of the last chunk are stored by {@link storePending}, so that the answer need not wait for that.
   */
  async forward(
    { tokens, logits, express }: ForwardRequest,
    cancelled: () => boolean,
  ): Promise<ForwardResult | undefined> {
    this.storePending();
    const entry = this.pool.take(tokens, tokens.length - Math.max(1, logits));
    const reused = entry.length;
    for (;;) {
      if (cancelled()) return undefined;
      const rest = tokens.length - entry.length;
      // Positions whose logits are wanted are read in one run.
      const last = rest <= Math.max(this.chunk, logits);
      const row = tokens.slice(
        entry.length,
        last ? undefined : Math.min(entry.length + this.chunk, tokens.length - logits),
      );
      const start = performance.now();
      const outputs = await this.graph.run({
        rows: [row],
        past: entry.past(),
        logits: last ? logits : 0,
        adapter: last && express ? "query" : "none",
        cacheRows: true,
      });
      if (row.length === this.chunk) this.adapt(performance.now() - start);
      if (outputs.rows !== undefined) this.pending = { entry, room: tokens.length, tokens: row, rows: outputs.rows };
      if (last) return { logits: outputs.logits, expression: outputs.expression, reused };
      this.storePending();
    }
  }

  /** Stores the rows of the last chunk in the cache. The next request does so first if this was not called. */
  storePending(): void {
    if (this.pending === undefined) return;
    const { entry, room, tokens, rows } = this.pending;
    this.pending = undefined;
    this.pool.makeRoom(entry, room);
    entry.append(tokens, rows);
  }

  /** The attention weights of the need at the end of `tokens`, computed without the cache: layers x tokens. */
  async attentionWeights(tokens: Int32Array): Promise<Float32Array> {
    return (await this.graph.run({ rows: [tokens], logits: 0, adapter: "query", attention: true })).attention;
  }

  /** Fragment expressions of one batch: rows x dimension. */
  async embed(rows: readonly Int32Array[]): Promise<Float32Array> {
    return (await this.graph.run({ rows, logits: 0, adapter: "fragment" })).expression;
  }

  /** Halves chunks that took too long, and doubles those that took less than half of the limit, as often as that holds. */
  private adapt(ms: number): void {
    if (this.chunkTokens > 0) return;
    if (ms > maxChunkMs) this.chunk = Math.max(minChunk, this.chunk / 2);
    for (let expected = ms; expected < maxChunkMs / 2.5 && this.chunk < maxChunk; expected *= 2) this.chunk *= 2;
  }
}
