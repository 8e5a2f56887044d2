// Updates of a workspace of many files: first run, restart, one changed file, switched branches, a formatter.
import { execFile } from "node:child_process";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { readSources } from "../cursors";
import { timed } from "../inference/pace";
import { percentile } from "../statistics";
import type { WorkspaceOptions } from "../workspace";
import { Embedded, standInIndex } from "./stand-in";
import { variation, writeTree } from "./trees";

export interface UpkeepOptions extends WorkspaceOptions {
  /** Folder of the real files that are copied with variations. */
  readonly originals: string;
  readonly files: number;
}

export interface UpkeepResult {
  readonly files: number;
  readonly fragments: number;
  /** Files listed, read, cut and inserted per second, with random vectors instead of the model's. */
  readonly filesPerSecond: number;
  readonly bytesPerFragmentOnDisk: number;
  /** From opening the index until all files are ready, the best of {@link restarts}; also as processor time. */
  readonly restartMs: number;
  readonly restartCpuMs: number;
  readonly restartEmbedded: number;
  readonly updateMs: number;
  readonly branch: {
    readonly changed: number;
    readonly ms: number;
    readonly embedded: number;
    readonly backMs: number;
    readonly backEmbedded: number;
  };
  readonly formatter: { readonly changed: number; readonly ms: number; readonly embedded: number };
  /** Number of texts that were embedded more than once. */
  readonly embeddedAgain: number;
}

/** Number of restarts; the best counts, because other processes may interfere. */
export const restarts = 3;

const branchFiles = 500;
const formattedFiles = 2000;
const updates = 20;

/** Measures in this process. */
export async function upkeepPhase(options: UpkeepOptions): Promise<UpkeepResult> {
  const { workspace } = options;
  const sources = await readSources(options.originals);
  const paths = await writeTree(sources, workspace, options.files);
  await rm(join(workspace, ".git"), { recursive: true });
  const git = async (...args: string[]): Promise<void> =>
    void (await promisify(execFile)(
      "git",
      ["-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "core.hooksPath=/dev/null", ...args],
      { cwd: workspace, maxBuffer: 1 << 28 },
    ));
  await git("init", "--quiet", "--initial-branch=one");
  await git("add", "--all");
  await git("commit", "--quiet", "--message=one");
  const some = (count: number, offset: number): string[] =>
    paths.filter((_, at) => at % Math.max(1, Math.floor(paths.length / count)) === offset).slice(0, count);
  const rewrite = async (files: readonly string[], change: (text: string) => string): Promise<void> => {
    for (const file of files)
      await writeFile(join(workspace, file), change(await readFile(join(workspace, file), "utf8")));
  };

  const seen = new Embedded();
  const first = await standInIndex(options, seen);
  const buildMs = await timed(() => first.reindex());
  await first.flush();
  const { fragments, files, storeBytes } = first.counts();
  await first.dispose();

  let index = await standInIndex(options, seen);
  let restartMs = Infinity;
  let restartCpuMs = Infinity;
  for (let restart = 0; restart < restarts; restart++) {
    await index.dispose();
    const cpu = process.cpuUsage();
    const start = performance.now();
    index = await standInIndex(options, seen);
    await index.reindex();
    restartMs = Math.min(restartMs, performance.now() - start);
    const { user, system } = process.cpuUsage(cpu);
    restartCpuMs = Math.min(restartCpuMs, (user + system) / 1000);
  }
  const restartEmbedded = index.counts().embedded;

  const updateMs: number[] = [];
  for (const path of some(updates, 1)) {
    await rewrite([path], (text) => variation(text, "u"));
    updateMs.push(await timed(() => index.updateFile(pathToFileURL(join(workspace, path)).href)));
  }
  await git("checkout", "--quiet", "--force", "one");
  await index.reindex();

  let embedded = index.counts().embedded;
  const since = (): number => {
    const before = embedded;
    embedded = index.counts().embedded;
    return embedded - before;
  };
  await git("checkout", "--quiet", "-b", "two");
  const changed = some(branchFiles, 0);
  // The new text is at the top, and moves the rest of the file.
  await rewrite(
    changed,
    (text) =>
      `export const onlyOnBranchTwo = ${text.length};\nexport const alsoOnlyThere = ${text.length + 1};\nexport const andThis = 3;\n\n\n${text}`,
  );
  await git("commit", "--quiet", "--all", "--message=two");
  await git("checkout", "--quiet", "one");
  await index.reindex();
  since();
  await git("checkout", "--quiet", "two");
  const ms = await timed(() => index.reindex());
  const there = since();
  await git("checkout", "--quiet", "one");
  const backMs = await timed(() => index.reindex());
  const backEmbedded = since();

  const formatted = some(formattedFiles, 0);
  await rewrite(formatted, (text) => text.replace(/^( +)/gm, "$1$1"));
  const formatMs = await timed(() => index.reindex());
  const formatEmbedded = since();
  await index.dispose();
  return {
    files,
    fragments,
    filesPerSecond: (1000 * files) / buildMs,
    bytesPerFragmentOnDisk: storeBytes / fragments,
    restartMs,
    restartCpuMs,
    restartEmbedded,
    updateMs: percentile(updateMs, 0.95),
    branch: { changed: changed.length, ms, embedded: there, backMs, backEmbedded },
    formatter: { changed: formatted.length, ms: formatMs, embedded: formatEmbedded },
    embeddedAgain: seen.again,
  };
}
