// Embeds one batch of files and inserts them while the next batch is being read.
import { Yielder } from "../../host/yield";
import { placesOf } from "../file-entry";
import type { FileToInsert } from "../indexed-files";
import { Batch } from "./batch";
import { embeddingBatch, type FragmentTokens } from "./embed-fragments";
import type { IngestParts } from "./parts";

/** Fragments that make a batch grow no more. The first ones are smaller, so that something is found soon. */
const maxFragments = 256;
const maxFiles = 4 * embeddingBatch;

export class EmbeddingQueue {
  private readonly batch = new Batch<FileToInsert>();
  private readonly tokens = new Map<string, FragmentTokens>();
  private fragmentsPerBatch = embeddingBatch;
  private embedding: Promise<void> = Promise.resolve();

  /** @param onInserted called for the files of a batch when they are inserted */
  constructor(
    private readonly parts: Pick<IngestParts, "embedder" | "files">,
    private readonly signal: AbortSignal,
    private readonly onInserted: (files: readonly FileToInsert[]) => void,
  ) {}

  /** Fragments of the files that are waiting. */
  get fragments(): number {
    return this.batch.fragments;
  }

  /** @throws what embedding a batch before threw */
  async add(file: FileToInsert, tokens: readonly FragmentTokens[]): Promise<void> {
    this.batch.add(file, file.fragments.length);
    for (const each of tokens) this.tokens.set(each.key, each);
    if (this.tokens.size >= this.fragmentsPerBatch || this.batch.size >= maxFiles) await this.startBatch();
  }

  /** Resolves when all files are inserted. @throws what embedding them threw */
  async finish(): Promise<void> {
    await this.startBatch();
    await this.embedding;
    // What another process was embedding until now: it is in the store, or that process was ended.
    if (this.batch.size > 0) await this.startBatch({ last: true });
    await this.embedding;
  }

  /** Resolves when nothing is under way any more; never rejects. */
  async settled(): Promise<void> {
    await this.embedding.catch(() => {});
  }

  private async startBatch({ last = false } = {}): Promise<void> {
    this.fragmentsPerBatch = Math.min(maxFragments, 2 * this.fragmentsPerBatch);
    await this.embedding;
    const files = this.batch.take();
    const tokens = [...this.tokens.values()];
    this.tokens.clear();
    this.embedding = this.embedAndInsert(files, tokens, last);
    // Whoever awaits it next gets the error; until then it must not count as unhandled.
    this.embedding.catch(() => {});
  }

  private async embedAndInsert(
    files: readonly FileToInsert[],
    tokens: readonly FragmentTokens[],
    last: boolean,
  ): Promise<void> {
    const { embedder, files: indexed } = this.parts;
    const { vectors, elsewhere } = await embedder.embed(tokens, { signal: this.signal, last });
    const yielder = new Yielder();
    const waits = ({ fragments }: FileToInsert): boolean => fragments.some(({ key }) => elsewhere.has(key));
    const ready = files.filter((file) => !waits(file));
    for (const file of ready) {
      // Without the fragments for which the model gave no vector.
      const fragments = file.fragments.filter(({ key }) => vectors.has(key));
      indexed.insert({ ...file, entry: { ...file.entry, fragments: placesOf(fragments) }, fragments }, vectors);
      await yielder.yieldIfDue();
    }
    // Another process embeds the others: they go along with the next batch, when their vectors are in the store.
    const waiting = files.filter(waits);
    for (const file of waiting) this.batch.add(file, file.fragments.length);
    const keys = new Set(waiting.flatMap(({ fragments }) => fragments.map(({ key }) => key)));
    for (const each of tokens) if (keys.has(each.key)) this.tokens.set(each.key, each);
    this.onInserted(ready);
  }
}
