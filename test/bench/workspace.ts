// Opens the product's engine on a workspace, for benchmarks that need a whole index.
import { basename } from "node:path";
import { pathToFileURL } from "node:url";
import { type Engine, openEngine } from "../../sidecar/engine";
import { quietLog } from "../../sidecar/host/log";
import { defaultSettings } from "../../sidecar/protocol";

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
): Promise<{ engine: Engine; openMs: number }> {
  const start = performance.now();
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
  const openMs = performance.now() - start;
  await engine.index.setFolders([{ uri: pathToFileURL(options.workspace).href, name: basename(options.workspace) }]);
  return { engine, openMs };
}
