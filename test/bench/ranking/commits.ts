// Replays commits of a git repository: files are edited one after another, with cursors in the added lines.
import { mkdir, rm, writeFile } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Place } from "../../eval/input";
import { chance } from "../../eval/retrievers";
import { spread } from "../cursors";
import { History } from "../history";
import type { Case } from "./cases";
import type { RankingEngine } from "./engine";

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
/** Number of lines above the cursor that must not contain the name. */
const linesWithout = 30;
/** A name that more fragments define is skipped, because it is unclear which of them is needed. */
const maxDefinitions = 4;
const maxPlaces = 24;

interface Change {
  readonly commit: string;
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
): Promise<Case[]> {
  const name = basename(resolve(git)) === "repo" ? basename(dirname(resolve(git))) : basename(resolve(git));
  const root = join(work, `tree-${process.pid}`);
  const history = new History(git);
  const changes: Change[] = [];
  for (const { commit, parent } of await history.commits("HEAD", depth)) {
    if (parent === "") continue;
    const paths = (await history.changed(parent, commit, "AM")).filter(
      (path) => languages[extname(path)] !== undefined,
    );
    if (paths.length >= minFiles && paths.length <= maxFiles) changes.push({ commit, paths });
  }
  const found: Case[] = [];
  for (const [at, change] of spread(changes, max).entries()) {
    onProgress(`${name}: commit ${at + 1} of ${Math.min(max, changes.length)}, ${found.length} cursors so far`);
    found.push(...(await replay(engine, history, name, root, change)));
  }
  await engine.index.setFolders([]);
  for (const path of [root, `${root}.index`]) await rm(path, { recursive: true, force: true });
  return found;
}

async function replay(
  engine: RankingEngine,
  history: History,
  repository: string,
  root: string,
  { commit, paths }: Change,
): Promise<Case[]> {
  const { index } = engine;
  for (const path of [root, `${root}.index`]) await rm(path, { recursive: true, force: true });
  await history.checkOut(`${commit}^`, root);
  await index.setFolders([{ uri: pathToFileURL(root).href, name: repository }]);
  await index.reindex();
  // The order of the edits is unknown, so a pseudo-random one is used.
  const order = [...paths].sort((a, b) => chance(`${commit} ${a}`) - chance(`${commit} ${b}`));
  const found: Case[] = [];
  for (const [at, path] of order.entries()) {
    const file = join(root, path);
    const uri = pathToFileURL(file).href;
    const text = await history.git(["show", `${commit}:${path}`]);
    const diff = at === 0 ? "" : await history.git(["diff", "-U0", `${commit}^`, commit, "--", path]);
    const edited = order.slice(0, at).reverse();
    let cases = 0;
    for (const place of placesIn(repository, path, text, diff)) {
      if (cases >= casesOfFile || found.length >= casesOfCommit) break;
      const one = await engine.caseOf(place, uri, place.written, edited, maxDefinitions);
      if (one === undefined) continue;
      found.push(one);
      cases++;
    }
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
    await index.updateFile(uri);
  }
  return found;
}

interface WrittenPlace extends Place {
  readonly written: string;
}

/** Cursors before names in the added lines in pseudo-random order, each with the rest of its line. */
function placesIn(repository: string, path: string, text: string, diff: string): WrittenPlace[] {
  const lines = text.split("\n");
  const places: WrittenPlace[] = [];
  for (const [, start = "", count = "1"] of diff.matchAll(/^@@ -\S+ \+(\d+)(?:,(\d+))? @@/gm))
    for (let line = Number(start) - 1; line < Number(start) - 1 + Number(count); line++)
      for (const { name, character } of namesIn(lines, line)) {
        const prefix = [...lines.slice(0, line), (lines[line] ?? "").slice(0, character)].join("\n");
        const written = (lines[line] ?? "").slice(character);
        const id = `${repository} ${path} ${line} ${character}`;
        const language = languages[extname(path)] ?? "";
        places.push({
          task: { id, language, repository, file: path, offset: 0, groundtruth: name },
          prefix,
          suffix: text.slice(prefix.length + written.length),
          written,
        });
      }
  return places.sort((a, b) => chance(a.task.id) - chance(b.task.id)).slice(0, maxPlaces);
}

/** Names in a line of code, outside of strings, that the lines above do not contain. */
function namesIn(lines: readonly string[], line: number): { readonly name: string; readonly character: number }[] {
  const whole = lines[line] ?? "";
  if (/^\s*(?:import|from|export|package|using|#|\/\/|\/?\*|def|class|@)/.test(whole)) return [];
  const above = lines
    .slice(Math.max(0, line - linesWithout), line)
    .filter((each) => !/import/.test(each))
    .join("\n");
  return [...whole.matchAll(/(?<=\S.*)\b[A-Za-z_]\w{3,}/g)]
    .filter(({ 0: name, index }) => !/["'`]/.test(whole.slice(0, index)) && !new RegExp(`\\b${name}\\b`).test(above))
    .map(({ 0: name, index }) => ({ name, character: index }));
}
