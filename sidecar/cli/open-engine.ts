// Loads the model for a command and indexes its workspace.
import { basename, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { type Engine, openEngine } from "../engine";
import { defaultStoragePath, packagedLocations, withHome } from "../host/locations";
import { quietLog } from "../host/log";
import { resolveModel, resolveModelOrSmall } from "../models/resolve-model";
import { defaultSettings, type IndexCounts } from "../protocol";
import type { Command } from "./arguments";
import { ProgressLine } from "./terminal";

interface OpenedEngine {
  readonly engine: Engine;
  readonly counts: IndexCounts | undefined;
  readonly timings: { readonly loadMs: number; readonly indexMs: number };
}

/** Loads the model and, unless there is to be no retrieval, indexes the workspace. */
export async function openCommandEngine(
  command: Command,
  workspace: string,
  signal: AbortSignal,
): Promise<OpenedEngine> {
  const start = performance.now();
  const uri = pathToFileURL(workspace).href;
  const indexed = command.name !== "complete" || command.retrieval;
  const { modelFolders, grammarPath } = packagedLocations(__dirname);
  const model =
    command.model === undefined ? resolveModelOrSmall("", modelFolders) : resolveModel(command.model, modelFolders);
  if ("problem" in model) process.stderr.write(`${model.problem}\n`);
  const engine = await openEngine({
    modelPath: model.folder,
    grammarPath,
    storagePath: resolve(withHome(command.storage ?? defaultStoragePath())),
    executionProvider: command.provider,
    threads: defaultSettings.threads,
    maxFileKilobytes: defaultSettings.maxFileKilobytes,
    log: quietLog,
    hasFolders: () => indexed,
  });
  const loaded = performance.now();
  let counts: IndexCounts | undefined;
  if (indexed) {
    const progress = new ProgressLine(`Indexing ${workspace}`, (done, total) => `${done}/${total} files`);
    await engine.index.setFolders([{ uri, name: basename(workspace) }]);
    counts = await engine.index.reindex({ signal, onProgress: (done, total) => progress.show(done, total) });
    progress.end();
    await engine.index.flush();
  }
  return { engine, counts, timings: { loadMs: loaded - start, indexMs: performance.now() - loaded } };
}
