// The composition root of the server and the command line: model, backbone, index and completer.
import { join } from "node:path";
import { Completer, type CompleterOptions } from "./completion/completer";
import { Inspection } from "./completion/inspection";
import { SyntaxTrees } from "./completion/syntax/tree";
import type { Log } from "./host/log";
import { makeFolder } from "./host/make-folder";
import type { Backbone } from "./inference/backbone";
import { createBackbone } from "./inference/onnx-backbone";
import { loadModelPackage } from "./inference/package/model-package";
import { PromptFormat } from "./inference/prompt-format";
import { Tokenizer } from "./inference/tokenizer";
import type { ExecutionProviderSetting } from "./protocol";
import { defaultBoosts } from "./retrieval/boosts";
import { createChunker } from "./workspace/chunking/create-chunker";
import { WorkspaceIndex } from "./workspace/workspace-index";

interface EngineOptions {
  readonly modelPath: string;
  readonly grammarPath: string;
  readonly storagePath: string;
  readonly executionProvider: ExecutionProviderSetting;
  /** 0: chosen by the number of cores. */
  readonly threads: number;
  readonly maxFileKilobytes: number;
  readonly log: Log;
  /** Whether there is a workspace to retrieve from. */
  hasFolders(): boolean;
  /** Whether the file with this URI was edited recently; default: never. */
  readonly wasEdited?: (uri: string) => boolean;
}

export interface Engine {
  readonly backbone: Backbone;
  readonly index: WorkspaceIndex;
  readonly completer: Completer;
  /** The details of the completer's last completions. */
  readonly inspection: Inspection;
  dispose(): Promise<void>;
}

/**
 * Loads the model and opens the index. Nothing is indexed yet.
 * @throws Error for a model package that cannot be used, with what was expected, what was found and what to do
 */
export async function openEngine(options: EngineOptions): Promise<Engine> {
  const { log } = options;
  // An error is reported by the code that writes to the folder.
  await makeFolder(options.storagePath, 0o700).catch(() => {});
  const model = await loadModelPackage(options.modelPath, {
    hashesPath: join(options.storagePath, "model-hashes.json"),
  });
  if (model.confidence === undefined) {
    log.info(
      `${model.name} ${model.version} has no confidence in its model.json, so no suggestion is suppressed as unsure, for any value of selfracg.frequency.`,
    );
  }
  if (model.source !== undefined) {
    const { file, variant, catalogued } = model.source;
    log.info(
      `${model.name} was converted from ${file}${catalogued ? "" : ", which is not in the catalogue"}: ${variant === "int8" ? "8-bit weights, for processors that sum their products exactly" : "7-bit weights, because the processor sums products of 8-bit numbers in 16 bits"}.`,
    );
  }
  const tokenizer = await Tokenizer.load(model);
  const promptFormat = new PromptFormat(model, tokenizer);
  const [backbone, chunker, trees] = await Promise.all([
    createBackbone(model, {
      provider: options.executionProvider,
      threads: options.threads,
      log: (line) => log.info(line),
      warn: (line) => log.warn(line),
    }),
    createChunker(options.grammarPath, (message) => log.warn(message)),
    SyntaxTrees.load(options.grammarPath, (message) => log.warn(message)),
  ]);
  const index = new WorkspaceIndex({
    backbone,
    promptFormat,
    storagePath: options.storagePath,
    chunker,
    limits: { maxFileKilobytes: options.maxFileKilobytes },
    log,
  });
  const completerOptions: CompleterOptions = {
    backbone,
    promptFormat,
    tokenizer,
    trees,
    source: () => (options.hasFolders() ? index : undefined),
    boosts: defaultBoosts(options.wasEdited),
    log: (line) => log.debug(line),
  };
  const inspection = new Inspection(completerOptions);
  const completer = new Completer({ ...completerOptions, onCompleted: (completed) => inspection.put(completed) });
  return {
    backbone,
    index,
    completer,
    inspection,
    dispose: async () => {
      await index.dispose();
      trees.dispose();
      await backbone.dispose();
    },
  };
}
