// What the index is made with, and how much it may hold in memory and on disk.
import type { Backbone } from "../inference/backbone";
import type { PromptFormat } from "../inference/prompt-format";
import type { Chunker } from "./chunking/chunker";

export interface IndexLimits {
  /** Files larger than this are not indexed. */
  readonly maxFileKilobytes: number;
  /** Fragments in memory (about 2 kB each); files beyond that are excluded as "index full". */
  readonly maxFragments: number;
  /** Size of the store on disk, bytes. */
  readonly maxStoreBytes: number;
}

export const defaultLimits: IndexLimits = { maxFileKilobytes: 512, maxFragments: 100_000, maxStoreBytes: 500_000_000 };

/** The largest file that is indexed, bytes. */
export function maxFileBytes({ maxFileKilobytes }: IndexLimits): number {
  return maxFileKilobytes * 1024;
}

export interface WorkspaceIndexOptions {
  readonly backbone: Pick<Backbone, "embed" | "model">;
  readonly promptFormat: Pick<PromptFormat, "fragmentEmbedding">;
  /** Folder of the on-disk index; made when it is missing. */
  readonly storagePath: string;
  /** Default: line windows. */
  readonly chunker?: Chunker;
  readonly limits?: Partial<IndexLimits>;
  readonly log: { info(message: string): void; warn(message: string): void };
  /** Which vector index to take; default FAISS where it loads. */
  readonly preferredIndex?: "faiss" | "flat";
}
