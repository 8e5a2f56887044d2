// The input of benchmarks on cross-file tasks: pairs of files from the command line, and the model.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Backbone } from "../../sidecar/inference/backbone";
import { createBackbone, defaultThreads } from "../../sidecar/inference/onnx-backbone";
import { loadModelPackage } from "../../sidecar/inference/package/model-package";
import { PromptFormat } from "../../sidecar/inference/prompt-format";
import { Tokenizer } from "../../sidecar/inference/tokenizer";
import type { Chunker } from "../../sidecar/workspace/chunking/chunker";
import { createChunker } from "../../sidecar/workspace/chunking/create-chunker";

const none: string[] = [];

/** Options for `parseArgs`. */
export const pairOptions = {
  tasks: { type: "string", multiple: true, default: none },
  repos: { type: "string", multiple: true, default: none },
} as const;

/** Absolute paths. */
export interface TaskPair {
  readonly tasks: string;
  readonly repositories: string;
}

/** @throws Error for files that are not given in pairs, with `help`, or that do not exist */
export function pairsOf(
  values: { readonly tasks: readonly string[]; readonly repos: readonly string[] },
  help: string,
): TaskPair[] {
  if (values.tasks.length === 0 || values.tasks.length !== values.repos.length) {
    throw new Error(
      `expected --tasks and --repos in pairs, found ${values.tasks.length} and ${values.repos.length}: ${help}`,
    );
  }
  const pairs = values.tasks.map((tasks, at) => ({
    tasks: resolve(tasks),
    repositories: resolve(values.repos[at] ?? ""),
  }));
  for (const path of pairs.flatMap((pair) => Object.values(pair)))
    if (!existsSync(path)) throw new Error(`expected a file ${path}, found none: check --tasks and --repos`);
  return pairs;
}

/** A model with its tokenizer, chunker and grammars. */
export interface TaskModel {
  readonly backbone: Backbone;
  readonly tokenizer: Tokenizer;
  readonly promptFormat: PromptFormat;
  readonly chunker: Chunker;
}

/** Loads the model. @throws ModelPackageError for a package that cannot be used */
export async function openTaskModel(
  modelPath: string,
  grammarPath: string,
  threads: number = defaultThreads(),
): Promise<TaskModel> {
  const model = await loadModelPackage(modelPath);
  const tokenizer = await Tokenizer.load(model);
  const chunker = await createChunker(grammarPath, () => {});
  return {
    backbone: await createBackbone(model, { provider: "auto", threads }),
    tokenizer,
    promptFormat: new PromptFormat(model, tokenizer),
    chunker,
  };
}
