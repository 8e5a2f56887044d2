// What the steps of indexing work with.
import type { PromptFormat } from "../../inference/prompt-format";
import type { Chunker } from "../chunking/chunker";
import type { FragmentTable } from "../fragment-table";
import type { IndexLimits } from "../index-options";
import type { IndexedFiles } from "../indexed-files";
import type { Store } from "../store/store";
import type { WorkspaceFolders } from "../workspace-folders";
import type { FragmentEmbedder } from "./embed-fragments";

export interface IngestParts {
  readonly folders: WorkspaceFolders;
  readonly table: FragmentTable;
  readonly files: IndexedFiles;
  readonly embedder: FragmentEmbedder;
  readonly chunker: Chunker;
  readonly promptFormat: Pick<PromptFormat, "fragmentEmbedding">;
  readonly store: Promise<Store | undefined>;
  /** Unsaved texts by the path of their file on this machine. */
  readonly unsaved: ReadonlyMap<string, string>;
  readonly limits: () => IndexLimits;
  readonly warn: (message: string) => void;
}
