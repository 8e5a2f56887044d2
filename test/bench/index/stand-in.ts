// Replaces the model where only reading, cutting and storing are measured: unit vectors that depend only on the tokens.
import { basename } from "node:path";
import { pathToFileURL } from "node:url";
import { quietLog } from "../../../sidecar/host/log";
import { loadModelPackage } from "../../../sidecar/inference/package/model-package";
import { PromptFormat } from "../../../sidecar/inference/prompt-format";
import { Tokenizer } from "../../../sidecar/inference/tokenizer";
import { createChunker } from "../../../sidecar/workspace/chunking/create-chunker";
import type { IndexLimits } from "../../../sidecar/workspace/index-options";
import { vectorKey } from "../../../sidecar/workspace/store/keys";
import { WorkspaceIndex } from "../../../sidecar/workspace/workspace-index";
import { randomNumbers } from "../inference/tokens";

export interface StandInOptions {
  readonly workspace: string;
  readonly storagePath: string;
  readonly modelPath: string;
  readonly grammarPath: string;
}

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
export async function standInIndex(
  options: StandInOptions,
  limits: Partial<IndexLimits>,
  embedded?: Embedded,
): Promise<WorkspaceIndex> {
  const model = await loadModelPackage(options.modelPath);
  const index = new WorkspaceIndex({
    backbone: {
      model,
      embed: async (fragments) =>
        fragments.map((tokens) => {
          embedded?.add(tokens);
          return unitVector(model.retrieval.dimension, tokens);
        }),
    },
    promptFormat: new PromptFormat(model, await Tokenizer.load(model)),
    storagePath: options.storagePath,
    chunker: await createChunker(options.grammarPath, () => {}),
    log: quietLog,
    limits,
  });
  await index.setFolders([{ uri: pathToFileURL(options.workspace).href, name: basename(options.workspace) }]);
  return index;
}

function unitVector(dimension: number, tokens: readonly number[]): Float32Array {
  const random = randomNumbers(tokens.reduce((hash, token) => (Math.imul(hash, 31) + token) | 0, 7));
  const vector = Float32Array.from({ length: dimension }, () => random() - 0.5);
  const norm = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));
  return vector.map((x) => x / norm);
}
