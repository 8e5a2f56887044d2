// Gets the vectors of fragments: from the store where they are stored, else by the model, and stores those.
import type { Backbone } from "../../inference/backbone";
import type { Store } from "../store/store";
import { type Quantized, quantized } from "../vectors/quantized";

/** Fragments embedded at once: long enough to fill the backbone's batches, short enough to lose little by a kill. */
export const embeddingBatch = 64;

/** A fragment to embed. */
export interface FragmentTokens {
  /** Key of its vector. */
  readonly key: string;
  /** What the model reads of it. */
  readonly tokens: readonly number[];
}

interface EmbedOptions {
  readonly signal: AbortSignal;
  /** Whether to embed also what another process is embedding: asked last, when it has had time to finish. */
  readonly last: boolean;
}

interface EmbeddedFragments {
  /** By key. A fragment for which the model gives no usable vector is missing. */
  readonly vectors: ReadonlyMap<string, Quantized>;
  /** Keys of those that another process is embedding: they will be in the store. */
  readonly elsewhere: ReadonlySet<string>;
}

export class FragmentEmbedder {
  private count = 0;
  private turn: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly backbone: Pick<Backbone, "embed">,
    private readonly store: Promise<Store | undefined>,
    private readonly warn: (message: string) => void,
  ) {}

  /** Fragments that the model has embedded since the start. */
  get embedded(): number {
    return this.count;
  }

  /**
   * Embeds one batch after another, each stored at once, so that a kill loses little.
   * @throws the signal's reason when it is aborted
   */
  async embed(fragments: readonly FragmentTokens[], options: EmbedOptions): Promise<EmbeddedFragments> {
    const store = await this.store;
    const vectors = (await store?.vectors(fragments.map(({ key }) => key))) ?? new Map<string, Quantized>();
    if (fragments.every(({ key }) => vectors.has(key))) return { vectors, elsewhere: new Set() };
    // In the order of asking: a saved file must not wait for a whole first run.
    const turn = this.turn.catch(() => {}).then(() => this.embedMissing(fragments, vectors, store, options));
    this.turn = turn;
    const claimed = await turn;
    return { vectors, elsewhere: new Set([...claimed].filter((key) => !vectors.has(key))) };
  }

  /** @returns keys of those that another process is embedding */
  private async embedMissing(
    fragments: readonly FragmentTokens[],
    vectors: Map<string, Quantized>,
    store: Store | undefined,
    { signal, last }: EmbedOptions,
  ): Promise<ReadonlySet<string>> {
    const missing = (): FragmentTokens[] => fragments.filter(({ key }) => !vectors.has(key));
    const keys = missing().map(({ key }) => key);
    const elsewhere = (last ? undefined : await store?.claim(keys)) ?? new Set<string>();
    // Some may have been stored meanwhile, by other work here or by another process.
    for (const [key, vector] of (await store?.vectors(keys)) ?? []) vectors.set(key, vector);
    // Fragments of similar length together: a batch is padded to its longest row.
    const sorted = missing()
      .filter(({ key }) => !elsewhere.has(key))
      .sort((a, b) => b.tokens.length - a.tokens.length);
    for (let start = 0; start < sorted.length; start += embeddingBatch) {
      const fresh = await this.run(sorted.slice(start, start + embeddingBatch), signal);
      for (const [key, vector] of fresh) vectors.set(key, vector);
      // One batch is written while the next one is embedded.
      await store?.written();
      store?.putVectors(fresh);
    }
    return elsewhere;
  }

  private async run(batch: readonly FragmentTokens[], signal: AbortSignal): Promise<Map<string, Quantized>> {
    const rows = await this.backbone.embed(
      batch.map(({ tokens }) => tokens),
      signal,
    );
    const fresh = new Map<string, Quantized>();
    batch.forEach(({ key }, i) => {
      const row = rows[i];
      // Quantised as in the store, so that what is searched is the same before and after a restart.
      if (row?.every(Number.isFinite)) fresh.set(key, quantized(row));
      else this.warn("The model gave no usable vector for a fragment: it is excluded.");
    });
    this.count += fresh.size;
    return fresh;
  }
}
