// The input of benchmarks on cross-file tasks: pairs of files from the command line, their repositories, and the model.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { SyntaxTrees } from "../../sidecar/completion/syntax/tree";
import type { Backbone } from "../../sidecar/inference/backbone";
import { createBackbone, defaultThreads } from "../../sidecar/inference/onnx-backbone";
import { loadModelPackage } from "../../sidecar/inference/package/model-package";
import { PromptFormat } from "../../sidecar/inference/prompt-format";
import { Tokenizer } from "../../sidecar/inference/tokenizer";
import { languageIdOf } from "../../sidecar/languages/languages";
import type { CursorContext } from "../../sidecar/retrieval/types";
import type { Chunker } from "../../sidecar/workspace/chunking/chunker";
import { createChunker } from "../../sidecar/workspace/chunking/create-chunker";
import type { Fragment } from "../../sidecar/workspace/fragment";
import { type Files, readRepositories, readTasks, type Task } from "../eval/input";

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

export interface RepositoryTasks {
  readonly name: string;
  readonly tasks: readonly Task[];
  readonly files: Files;
}

/** At most `limit` tasks, by repository. @throws InputError for files that cannot be read */
export async function tasksByRepository(pair: TaskPair, limit: number | undefined): Promise<RepositoryTasks[]> {
  const groups = groupedBy(await readTasks([pair.tasks], limit), ({ repository }) => repository);
  const repositories = await readRepositories([pair.repositories], new Set(groups.keys()));
  return [...groups].map(([name, tasks]) => ({ name, tasks, files: repositories.get(name) ?? new Map() }));
}

/** The items by the name that `nameOf` gives them, in order. */
export function groupedBy<Item>(
  items: readonly Item[],
  nameOf: (item: Item) => string,
): Map<string, [Item, ...Item[]]> {
  const groups = new Map<string, [Item, ...Item[]]>();
  for (const item of items) groups.get(nameOf(item))?.push(item) ?? groups.set(nameOf(item), [item]);
  return groups;
}

/** The cursor of a file that lies in no workspace folder. */
export function contextIn(file: string, { prefix, suffix }: Pick<CursorContext, "prefix" | "suffix">): CursorContext {
  return { uri: `file:///${file}`, path: file, languageId: languageIdOf(file), prefix, suffix };
}

/** The fragments of a file that lies in no workspace folder. */
export async function fragmentsIn(path: string, text: string, chunker: Chunker): Promise<Fragment[]> {
  return (await chunker.chunk(path, text)).map((chunk) => ({ uri: `file:///${path}`, path, ...chunk }));
}

/** A model with its tokenizer, chunker and grammars, as a completer wants them. */
export interface TaskModel {
  readonly backbone: Backbone;
  readonly tokenizer: Tokenizer;
  readonly promptFormat: PromptFormat;
  readonly chunker: Chunker;
  readonly trees: SyntaxTrees;
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
    trees: await SyntaxTrees.load(grammarPath, () => {}, Infinity),
  };
}

export async function disposeTaskModel({ backbone, trees }: TaskModel): Promise<void> {
  trees.dispose();
  await backbone.dispose();
}
