// Peak memory of the real sidecar process with a large index during completions in several documents.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { languageIdOf } from "../../../sidecar/languages/languages";
import type { CompletionTrace } from "../../../sidecar/protocol";
import { readSources } from "../cursors";
import { startEditor } from "../editor";
import { standInIndex } from "../index/stand-in";
import { writeTree } from "../index/trees";
import { makeRepository } from "../make-repository";
import { medianOf, percentiles, type Spread } from "../statistics";
import type { WorkspaceOptions } from "../workspace";

export interface LargeIndexOptions extends WorkspaceOptions {
  /** Folder of the real files of which variations are written to the workspace. */
  readonly originals: string;
  readonly fragments: number;
}

/**
 * Writes variations of real files until there are enough fragments, and stores them with random unit vectors in place of
 * the model's. Text, vectors and store are as large as those of a real index, in a fraction of the time. Resolves to the
 * number of fragments.
 */
export async function largeIndexPhase(options: LargeIndexOptions): Promise<number> {
  const sources = await readSources(options.originals);
  await makeRepository(options.workspace);
  const index = await standInIndex(options);
  for (let files = sources.size, before = 0; index.fragmentCount < options.fragments; before = index.fragmentCount) {
    // After the first files, as many as are needed at their number of fragments, and some more.
    if (before > 0) files = Math.ceil((1.02 * files * options.fragments) / before);
    await writeTree(sources, options.workspace, files);
    await index.reindex();
    if (index.fragmentCount === before)
      throw new Error(`expected more than ${before} fragments in ${files} files, found none: give a smaller number`);
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

/** Starts the sidecar as an editor does, requests completions in documents never read, and reads its peak memory. */
export async function sidecarMemory({ threads, completions, ...options }: MemoryOptions): Promise<MemoryResult> {
  const started = performance.now();
  const editor = await startEditor({ ...options, settings: { threads } });
  try {
    const readyMs = performance.now() - started;
    const traces: CompletionTrace[] = [];
    for (const [path, text] of await readSources(options.workspace)) {
      if (traces.length >= completions) break;
      if (text.length < 4000) continue;
      const lineStart = text.indexOf("\n", text.length / 2) + 1;
      const cursor = lineStart + (/^\s*\w?/.exec(text.slice(lineStart))?.[0].length ?? 0);
      const file = join(options.workspace, path);
      const document = editor.open(file, languageIdOf(path), text.slice(0, cursor), text.slice(cursor));
      const answer = await document.request().answer;
      if (answer.kind === "answered" && answer.trace !== undefined) traces.push(answer.trace);
    }
    return {
      fragments: editor.status?.index?.fragments ?? 0,
      readyMs,
      peakMegabytes: await peakOf(editor.processId),
      completions: traces.length,
      totalMs: percentiles(traces.map(({ timings }) => timings.totalMs)),
      expressMs: medianOf(traces, ({ timings }) => timings.expressMs),
      searchMs: medianOf(traces, ({ timings }) => timings.searchMs),
    };
  } finally {
    await editor.close();
  }
}

async function peakOf(processId: number | undefined): Promise<number | undefined> {
  try {
    const kilobytes = /^VmHWM:\s*(\d+) kB$/m.exec(await readFile(`/proc/${processId}/status`, "utf8"))?.[1];
    return kilobytes === undefined ? undefined : Number(kilobytes) / 1024;
  } catch {
    return undefined;
  }
}
