// Replays commits of a git repository: files are edited one after another, with cursors in the added lines.
import { execFile } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import type { Place } from "../../eval/input";
import { chance } from "../../eval/retrievers";
import { spread } from "../cursors";
import type { StoredCase } from "./cases";
import type { RankingEngine } from "./engine";

const run = promisify(execFile);
const languages: Readonly<Record<string, string>> = {
  ".py": "python",
  ".java": "java",
  ".ts": "typescript",
  ".tsx": "typescript",
};
/** Number of source files that a commit must change: several, but not most of the repository. */
const minFiles = 2;
const maxFiles = 12;
const casesOfFile = 2;
const casesOfCommit = 4;
/** Number of earlier commits whose files count as edited before. */
const earlierCommits = 4;
/** Number of lines above the cursor that must not contain the name. */
const linesWithout = 30;
/** A name that more fragments define is skipped, because it is unclear which of them is needed. */
const maxDefinitions = 4;
const maxPlaces = 24;
const maxBuffer = 1 << 28;

interface Change {
  readonly commit: string;
  readonly parent: string;
  /** Source files that the commit adds or changes. */
  readonly paths: readonly string[];
}

/** Cases of at most `max` commits, spread over those of the last `depth` that change several source files. @param git a git directory, or a folder with one */
export async function casesOfHistory(
  engine: RankingEngine,
  git: string,
  work: string,
  { max, depth }: { readonly max: number; readonly depth: number },
  onProgress: (detail: string) => void,
): Promise<StoredCase[]> {
  const name = basename(resolve(git)) === "repo" ? basename(dirname(resolve(git))) : basename(resolve(git));
  const ask = async (...args: string[]): Promise<string> =>
    (await run("git", ["-C", git, ...args], { maxBuffer })).stdout;
  const commits = (await ask("log", "--no-merges", "--format=%H", "-n", `${depth}`))
    .split("\n")
    .filter((line) => line !== "");
  const changes: Change[] = [];
  for (const commit of commits) {
    const paths = (await ask("diff-tree", "-r", "--root", "--no-commit-id", "--name-only", "--diff-filter=AM", commit))
      .split("\n")
      .filter((path) => languages[extname(path)] !== undefined);
    changes.push({ commit, parent: `${commit}^`, paths });
  }
  const pieces = changes
    .slice(0, -earlierCommits)
    .filter(({ paths }) => paths.length >= minFiles && paths.length <= maxFiles);
  const found: StoredCase[] = [];
  for (const [at, change] of spread(pieces, max).entries()) {
    onProgress(`${name}: commit ${at + 1} of ${Math.min(max, pieces.length)}, ${found.length} cursors so far`);
    const from = changes.indexOf(change);
    const before = [...new Set(changes.slice(from + 1, from + 1 + earlierCommits).flatMap(({ paths }) => paths))];
    found.push(...(await replay(engine, ask, name, join(work, `tree-${process.pid}`), change, before)));
  }
  await engine.index.setFolders([]);
  await rm(join(work, `tree-${process.pid}`), { recursive: true, force: true });
  return found;
}

async function replay(
  engine: RankingEngine,
  ask: (...args: string[]) => Promise<string>,
  repository: string,
  root: string,
  { commit, parent, paths }: Change,
  earlier: readonly string[],
): Promise<StoredCase[]> {
  const { index } = engine;
  await rm(root, { recursive: true, force: true });
  await mkdir(root, { recursive: true });
  const archive = `${root}.tar`;
  await ask("archive", "--output", archive, parent);
  await run("tar", ["-xf", archive, "-C", root]);
  await rm(archive);
  await index.setFolders([{ uri: pathToFileURL(root).href, name: repository }]);
  await index.reindex();
  // The order of the edits is unknown, so a pseudo-random one is used.
  const order = [...paths].sort((a, b) => chance(`${commit} ${a}`) - chance(`${commit} ${b}`));
  const found: StoredCase[] = [];
  for (const [at, path] of order.entries()) {
    const text = await ask("show", `${commit}:${path}`);
    const edited = order.slice(0, at).reverse();
    let cases = 0;
    for (const place of at === 0
      ? []
      : placesIn(repository, path, text, await ask("diff", "-U0", parent, commit, "--", path))) {
      if (cases >= casesOfFile || found.length >= casesOfCommit) break;
      const one = await engine.caseOf(
        place,
        pathToFileURL(join(root, path)).href,
        place.written,
        { edited, before: earlier.filter((each) => !edited.includes(each) && each !== path) },
        maxDefinitions,
      );
      if (one === undefined) continue;
      found.push(one);
      cases++;
    }
    await put(root, path, text);
    await index.updateFile(pathToFileURL(join(root, path)).href);
  }
  return found;
}

/** Cursors before names in the added lines in pseudo-random order, each with the rest of its line. */
function placesIn(
  repository: string,
  path: string,
  text: string,
  diff: string,
): (Place & { readonly written: string })[] {
  const lines = text.split("\n");
  const places: (Place & { readonly written: string })[] = [];
  for (const [, start = "", count = "1"] of diff.matchAll(/^@@ -\S+ \+(\d+)(?:,(\d+))? @@/gm)) {
    for (let line = Number(start) - 1; line < Number(start) - 1 + Number(count); line++) {
      const whole = lines[line] ?? "";
      if (/^\s*(?:import|from|export|package|using|#|\/\/|\/?\*|def|class|@)/.test(whole)) continue;
      for (const match of whole.matchAll(/(?<=\S.*)\b[A-Za-z_]\w{3,}/g)) {
        if (
          /["'`]/.test(whole.slice(0, match.index)) ||
          new RegExp(`\\b${match[0]}\\b`).test(
            lines
              .slice(Math.max(0, line - linesWithout), line)
              .filter((each) => !/import/.test(each))
              .join("\n"),
          )
        )
          continue;
        const prefix = `${lines
          .slice(0, line)
          .map((each) => `${each}\n`)
          .join("")}${whole.slice(0, match.index)}`;
        const written = whole.slice(match.index);
        const id = `${repository} ${path} ${line} ${match.index}`;
        places.push({
          task: {
            id,
            language: languages[extname(path)] ?? "",
            repository,
            file: path,
            offset: 0,
            groundtruth: match[0],
          },
          prefix,
          suffix: text.slice(prefix.length + written.length),
          written,
        });
      }
    }
  }
  return places.sort((a, b) => chance(a.task.id) - chance(b.task.id)).slice(0, maxPlaces);
}

async function put(root: string, path: string, text: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text);
}
