// Opens the product's engine on a workspace, for benchmarks that need a whole index.
import { basename } from "node:path";
import { pathToFileURL } from "node:url";
import { type Engine, openEngine } from "../../sidecar/engine";
import { quietLog } from "../../sidecar/host/log";
import { type CompletionTrace, defaultSettings, type Settings } from "../../sidecar/protocol";
import type { Cursor } from "./cursors";

export interface WorkspaceOptions {
  readonly workspace: string;
  readonly storagePath: string;
  readonly modelPath: string;
  readonly grammarPath: string;
}

/** Opens the engine on the workspace; nothing is indexed yet. @param threads 0: as the product chooses */
export async function openWorkspace(
  options: WorkspaceOptions,
  threads: number = defaultSettings.threads,
): Promise<Engine> {
  const engine = await openEngine({
    modelPath: options.modelPath,
    grammarPath: options.grammarPath,
    storagePath: options.storagePath,
    executionProvider: "auto",
    threads,
    maxFileKilobytes: defaultSettings.maxFileKilobytes,
    log: quietLog,
    hasFolders: () => true,
  });
  await engine.index.setFolders([{ uri: pathToFileURL(options.workspace).href, name: basename(options.workspace) }]);
  return engine;
}

/** Completes at the cursor, as if the request arrived now. */
export function completeAt(engine: Engine, cursor: Cursor, settings: Settings): Promise<CompletionTrace> {
  return engine.completer.complete(cursor.context, settings, cursor, undefined, performance.now());
}
