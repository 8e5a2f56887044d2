// Peak memory of the real sidecar process with a large index during completions in several documents.
import { spawn } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import {
  createProtocolConnection,
  type InlineCompletionList,
  StreamMessageReader,
  StreamMessageWriter,
} from "vscode-languageserver/node";
import { quietLog } from "../../../sidecar/host/log";
import { loadModelPackage } from "../../../sidecar/inference/package/model-package";
import { PromptFormat } from "../../../sidecar/inference/prompt-format";
import { Tokenizer } from "../../../sidecar/inference/tokenizer";
import { languageIdOf } from "../../../sidecar/languages/languages";
import {
  type CompletionTrace,
  defaultSettings,
  type InitializationOptions,
  messages,
  type SidecarStatus,
  sidecarEnvironment,
} from "../../../sidecar/protocol";
import { createChunker } from "../../../sidecar/workspace/chunking/create-chunker";
import { WorkspaceIndex } from "../../../sidecar/workspace/workspace-index";
import { readSources } from "../cursors";
import { makeRepository } from "../make-repository";
import { percentile, percentiles, type Spread } from "../statistics";
import { randomNumbers } from "./tokens";

export interface LargeIndexOptions {
  /** Folder of the real files that are copied with variations. */
  readonly workspace: string;
  /** Folder to which the variations are written. */
  readonly target: string;
  readonly storagePath: string;
  readonly modelPath: string;
  readonly grammarPath: string;
  readonly fragments: number;
}

/**
 * Writes variations of real files (their longer words numbered) until there are enough fragments, and stores them with
 * random unit vectors instead of expressions. Text, vectors and store are as large as those of a real index, in
 * a fraction of the time. Resolves to the number of fragments.
 */
export async function largeIndexPhase(options: LargeIndexOptions): Promise<number> {
  const model = await loadModelPackage(options.modelPath);
  const random = randomNumbers();
  const vector = (): Float32Array => {
    const values = Float32Array.from({ length: model.retrieval.dimension }, () => random() - 0.5);
    const norm = Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));
    return values.map((x) => x / norm);
  };
  const index = new WorkspaceIndex({
    backbone: { model, embed: async (fragments) => fragments.map(vector) },
    promptFormat: new PromptFormat(model, await Tokenizer.load(model)),
    storagePath: options.storagePath,
    chunker: await createChunker(options.grammarPath, () => {}),
    log: quietLog,
  });
  await makeRepository(options.target);
  await index.setFolders([{ uri: pathToFileURL(options.target).href, name: basename(options.target) }]);
  const sources = await readSources(options.workspace);
  for (let copy = 1; index.fragmentCount < options.fragments; copy++) {
    const before = index.fragmentCount;
    for (const [path, text] of sources) {
      const file = join(options.target, `copy${copy}`, path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text.replace(/\b[A-Za-z_]\w{6,}\b/g, `$&${copy}`));
    }
    await index.reindex();
    if (index.fragmentCount === before)
      throw new Error(`expected fragments in the files of ${options.workspace}, found none: give a larger folder`);
  }
  const found = index.fragmentCount;
  await index.dispose();
  return found;
}

export interface MemoryOptions {
  readonly sidecar: string;
  readonly workspace: string;
  readonly storagePath: string;
  readonly modelPath: string;
  /** Number of threads; 0: as the product chooses. */
  readonly threads: number;
  readonly completions: number;
}

export interface MemoryResult {
  readonly fragments: number;
  /** Milliseconds from the start of the process until its index is ready. */
  readonly readyMs: number;
  /** Peak resident memory in MB, from /proc; undefined on other systems. */
  readonly peakMegabytes: number | undefined;
  readonly completions: number;
  readonly totalMs: Spread;
  readonly expressMs: number;
  readonly searchMs: number;
}

/** Starts the sidecar as an editor does, requests completions, and reads its peak memory. */
export async function sidecarMemory(options: MemoryOptions): Promise<MemoryResult> {
  const started = performance.now();
  const process_ = spawn(process.execPath, [options.sidecar, "--stdio"], {
    stdio: ["pipe", "pipe", "ignore"],
    env: { ...process.env, ...sidecarEnvironment },
  });
  const ended = new Promise<never>((_, fail) => {
    process_.once("error", fail);
    process_.once("exit", (code, signal) =>
      fail(new Error(`expected the sidecar to keep running, but it ended with ${signal ?? code}`)),
    );
  });
  ended.catch(() => {});
  const connection = createProtocolConnection(
    new StreamMessageReader(process_.stdout),
    new StreamMessageWriter(process_.stdin),
  );
  const ready = new Promise<SidecarStatus>((done, fail) => {
    connection.onNotification(messages.status, (status: SidecarStatus) => {
      if (status.state === "ready") done(status);
      else if (status.state === "error") fail(new Error(status.message));
    });
  });
  connection.onRequest("workspace/configuration", ({ items }: { items: readonly unknown[] }) =>
    items.map(() => ({ ...defaultSettings, threads: options.threads })),
  );
  connection.onRequest("window/workDoneProgress/create", () => null);
  connection.onRequest("client/registerCapability", () => null);
  connection.listen();
  try {
    const initializationOptions: InitializationOptions = {
      modelPath: options.modelPath,
      storagePath: options.storagePath,
    };
    const folder = { uri: pathToFileURL(options.workspace).href, name: basename(options.workspace) };
    const capabilities = {
      workspace: { configuration: true, workspaceFolders: true },
      window: { workDoneProgress: true },
    };
    await Promise.race([
      ended,
      connection.sendRequest("initialize", {
        processId: process.pid,
        rootUri: null,
        capabilities,
        workspaceFolders: [folder],
        initializationOptions,
      }),
    ]);
    await connection.sendNotification("initialized", {});
    const status = await Promise.race([ended, ready]);
    const readyMs = performance.now() - started;
    const traces: CompletionTrace[] = [];
    for (const [path, text] of [...(await readSources(options.workspace))]
      .filter(([, content]) => content.length > 8000)
      .slice(0, options.completions)) {
      const uri = pathToFileURL(join(options.workspace, path)).href;
      await connection.sendNotification("textDocument/didOpen", {
        textDocument: { uri, languageId: languageIdOf(path), version: 1, text },
      });
      const line = Math.floor(text.slice(0, text.length / 2).split("\n").length);
      const character = /^\s*\w?/.exec(text.split("\n")[line] ?? "")?.[0].length ?? 0;
      await Promise.race([
        ended,
        connection.sendRequest<InlineCompletionList | null>("textDocument/inlineCompletion", {
          textDocument: { uri },
          position: { line, character },
          context: { triggerKind: 2 },
        }),
      ]);
      const trace = await connection.sendRequest(messages.trace, {});
      if (trace !== null) traces.push(trace);
    }
    const result = {
      fragments: status.index?.fragments ?? 0,
      readyMs,
      peakMegabytes: await peakOf(process_.pid),
      completions: traces.length,
      totalMs: percentiles(traces.map(({ timings }) => timings.totalMs)),
      expressMs: percentile(
        traces.map(({ timings }) => timings.expressMs),
        0.5,
      ),
      searchMs: percentile(
        traces.map(({ timings }) => timings.searchMs),
        0.5,
      ),
    };
    await connection.sendRequest("shutdown");
    await connection.sendNotification("exit");
    return result;
  } finally {
    connection.dispose();
    process_.kill();
  }
}

async function peakOf(pid: number | undefined): Promise<number | undefined> {
  try {
    const kilobytes = /^VmHWM:\s*(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) / 1024;
  } catch {
    return undefined;
  }
}
