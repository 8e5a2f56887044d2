// Replaces the model where only reading, cutting and storing are measured: unit vectors that depend only on the tokens.
import { basename } from "node:path";
import { pathToFileURL } from "node:url";
import { quietLog } from "../../../sidecar/host/log";
import { loadModelPackage } from "../../../sidecar/inference/package/model-package";
import { PromptFormat } from "../../../sidecar/inference/prompt-format";
import { Tokenizer } from "../../../sidecar/inference/tokenizer";
import { createChunker } from "../../../sidecar/workspace/chunking/create-chunker";
import { vectorKey } from "../../../sidecar/workspace/store/keys";
import { WorkspaceIndex } from "../../../sidecar/workspace/workspace-index";
import { randomUnitVector } from "../random";
import type { WorkspaceOptions } from "../workspace";

/** Number of embedded texts, and of repeated embeddings of a text. */
export class Embedded {
  private readonly keys = new Set<string>();
  again = 0;

  add(tokens: readonly number[]): void {
    const key = vectorKey(tokens);
    if (this.keys.has(key)) this.again++;
    this.keys.add(key);
  }
}

/** An index of the folder with the real tokenizer, chunker and store, but random vectors. Nothing is indexed yet. */
export async function standInIndex(options: WorkspaceOptions, embedded?: Embedded): Promise<WorkspaceIndex> {
  const model = await loadModelPackage(options.modelPath);
  const index = new WorkspaceIndex({
    backbone: {
      model,
      embed: async (fragments) =>
        fragments.map((tokens) => {
          embedded?.add(tokens);
          return randomUnitVector(
            model.retrieval.dimension,
            tokens.reduce((hash, token) => (Math.imul(hash, 31) + token) | 0, 7),
          );
        }),
    },
    promptFormat: new PromptFormat(model, await Tokenizer.load(model)),
    storagePath: options.storagePath,
    chunker: await createChunker(options.grammarPath, () => {}),
    log: quietLog,
  });
  await index.setFolders([{ uri: pathToFileURL(options.workspace).href, name: basename(options.workspace) }]);
  return index;
}
