// Runs the model in the inference thread: reads prompts in chunks, starting from the KV cache, and embeds batches.
import type { Graph, NewRows } from "./graph";
import type { KvCacheEntry, KvCachePool } from "./kv-cache";

export interface ForwardRequest {
  readonly tokens: Int32Array;
  /** The number of last tokens after which logits are computed. */
  readonly logits: number;
  /** Whether to compute the need at the end. */
  readonly express: boolean;
}

export interface ForwardResult {
  /** Positions x vocabulary. */
  readonly logits: Float32Array;
  /** The need; empty when it was not requested. */
  readonly expression: Float32Array;
  /** Number of tokens that came from the KV cache. */
  readonly reused: number;
}

/** Target milliseconds between two checks for cancellation, below the guaranteed maximum. */
const maxChunkMs = 30;
const minChunk = 16;
/** Maximum tokens of a chunk: in a longer one, masked attention scores cost more than a saved run. */
const maxChunk = 256;

export class ModelRunner {
  private chunk: number;
  /** Rows of the last run that are not in the cache yet. */
  private pending:
    | { readonly entry: KvCacheEntry; readonly room: number; readonly tokens: Int32Array; readonly rows: NewRows }
    | undefined;

  /** @param chunkTokens tokens between two checks for cancellation; 0: as many as are measured to take {@link maxChunkMs}. */
  constructor(
    private readonly graph: Graph,
    private readonly pool: KvCachePool,
    private readonly chunkTokens: number,
  ) {
    this.chunk = chunkTokens > 0 ? chunkTokens : 2 * minChunk;
  }

  /**
   * Reads the tokens that are not in the KV cache, and those whose logits are requested. Undefined when it was cancelled between
   * two chunks; the chunks before stay in the cache.
   *
   * The rows of the last chunk are stored by {@link storePending}, so that the answer is not delayed.
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
      // All positions with logits are read in one run.
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

  /** Stores the rows of the last chunk in the cache. Otherwise the next request does it first. */
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

  /** Halves the chunk size after a slow chunk, and doubles it, maybe several times, after one below half the limit. */
  private adapt(ms: number): void {
    if (this.chunkTokens > 0) return;
    if (ms > maxChunkMs) this.chunk = Math.max(minChunk, this.chunk / 2);
    for (let expected = ms; expected < maxChunkMs / 2.5 && this.chunk < maxChunk; expected *= 2) this.chunk *= 2;
  }
}
