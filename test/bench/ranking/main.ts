// `npm run bench -- ranking`: the effect of boosts for imported, neighbouring and recently edited files on ranks.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { packagedLocations } from "../../../sidecar/host/locations";
import { defaultSettings } from "../../../sidecar/protocol";
import type { Chunker } from "../../../sidecar/workspace/chunking/chunker";
import { createChunker } from "../../../sidecar/workspace/chunking/create-chunker";
import { type Files, type Place, placeOf, readRepositories, readTasks, type Task } from "../../eval/input";
import { measuredModel } from "../../eval/measured-model";
import { duration } from "../../eval/progress";
import { Repository } from "../../eval/repository";
import { count } from "../command";
import { type Case, caseOf, type StoredCase } from "./cases";
import { RankingEngine } from "./engine";
import { casesOfHistory } from "./history";
import { report } from "./report";

const help = `npm run bench -- ranking [--tasks FILE --repos FILE] [--git DIR] [OPTIONS]
  --tasks FILE    cross-file tasks whose cursors are used, and
  --repos FILE    the repositories they are from; may be given several times, in pairs
  --limit N       tasks of each file; default: all
  --git DIR       a git repository whose commits are replayed; may be given several times
  --commits N     commits of each; default 25
  --model MODEL   model of the list, or folder of a package; default: small, the one that ships
  --work DIR      embeddings and cases, which a later run reuses even if the program has changed; default: .cache/ranking
`;

/** Version of the rules by which cases are found and suggestions made. */
const casesVersion = 3;
/** Number of a repository's last commits from which suitable ones are chosen. */
const depth = 600;

/** Cases from the cache, or computed now. @param given the inputs they depend on, besides the model */
type CachedCases = (name: string, given: readonly unknown[], make: () => Promise<StoredCase[]>) => Promise<Case[]>;

/** @throws Error for an invalid option; InputError for tasks that cannot be read */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: "boolean" },
      tasks: { type: "string", multiple: true, default: [] },
      repos: { type: "string", multiple: true, default: [] },
      limit: { type: "string" },
      git: { type: "string", multiple: true, default: [] },
      commits: { type: "string", default: "25" },
      model: { type: "string" },
      work: { type: "string" },
    },
  });
  if (values.help === true) return void process.stdout.write(help);
  if (values.tasks.length !== values.repos.length || values.tasks.length + values.git.length === 0)
    throw new Error("expected --tasks and --repos in pairs, or --git DIR; run with --help to see how they are used");
  const { modelFolders, grammarPath } = packagedLocations(__dirname);
  const work = resolve(values.work ?? join(__dirname, "..", ".cache", "ranking"));
  const started = performance.now();
  const engine = await RankingEngine.open(measuredModel(values.model, modelFolders), grammarPath, work);
  const cachedCases: CachedCases = async (name, given, make) => {
    const key = createHash("sha256")
      .update(JSON.stringify([casesVersion, engine.modelHash, ...given]))
      .digest("hex")
      .slice(0, 16);
    const file = join(work, "cases", `${name}-${key}.jsonl`);
    if (existsSync(file))
      return readFileSync(file, "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => caseOf(JSON.parse(line)));
    const cases = await make();
    mkdirSync(join(work, "cases"), { recursive: true });
    writeFileSync(file, cases.map((one) => `${JSON.stringify(one)}\n`).join(""));
    return cases.map(caseOf);
  };
  const say = (detail: string) => process.stderr.write(`${detail}\n`);
  const fromTasks: Case[] = [];
  for (const [at, tasks] of values.tasks.entries()) {
    const repos = values.repos[at] ?? "";
    const limit = values.limit === undefined ? undefined : count("--limit", values.limit);
    fromTasks.push(...(await casesOfTasks(engine, cachedCases, tasks, repos, limit, work, grammarPath, say)));
  }
  const fromHistory: Case[] = [];
  for (const git of values.git) {
    const max = count("--commits", values.commits);
    fromHistory.push(
      ...(await cachedCases("history", [resolve(git), max], () =>
        casesOfHistory(engine, git, work, { max, depth }, say),
      )),
    );
  }
  await engine.dispose();
  if (fromTasks.length > 0) process.stdout.write(`${report("tasks", fromTasks)}\n`);
  if (fromHistory.length > 0) process.stdout.write(`${report("history", fromHistory)}\n`);
  say(duration(performance.now() - started));
}

async function casesOfTasks(
  engine: RankingEngine,
  cachedCases: CachedCases,
  tasksPath: string,
  reposPath: string,
  limit: number | undefined,
  work: string,
  grammarPath: string,
  say: (detail: string) => void,
): Promise<Case[]> {
  const groups = new Map<string, Task[]>();
  for (const task of await readTasks([tasksPath], limit))
    groups.set(task.repository, [...(groups.get(task.repository) ?? []), task]);
  const repositories = await readRepositories([reposPath], new Set(groups.keys()));
  const chunker = await createChunker(grammarPath, () => {});
  const cases: Case[] = [];
  let done = 0;
  for (const [name, tasks] of groups) {
    say(`${basename(tasksPath)}: repository ${++done} of ${groups.size}, ${cases.length} cursors so far`);
    const files = repositories.get(name) ?? new Map<string, string>();
    const ids = tasks.map(({ id }) => id);
    cases.push(
      ...(await cachedCases(basename(tasksPath, ".jsonl"), [name, ids], () =>
        casesOfRepository(
          engine,
          name,
          tasks.map((task) => placeOf(task, files)),
          files,
          work,
          chunker,
        ),
      )),
    );
  }
  await rm(join(work, `tree-${process.pid}`), { recursive: true, force: true });
  return cases;
}

async function casesOfRepository(
  engine: RankingEngine,
  name: string,
  places: readonly Place[],
  files: Files,
  work: string,
  chunker: Chunker,
): Promise<StoredCase[]> {
  const cases: StoredCase[] = [];
  const repository = await Repository.open(name, join(work, `tree-${process.pid}`), files, chunker, {
    maxBytes: defaultSettings.maxFileKilobytes * 1024,
  });
  await engine.index.setFolders([{ uri: repository.uri, name }]);
  await engine.index.reindex();
  for (const place of places) {
    const { file, groundtruth } = place.task;
    const uri = repository.uriOf(file);
    // The text after the cursor is not written yet.
    await repository.write(file, place.prefix);
    await engine.index.updateFile(uri);
    const one = await engine.caseOf(place, uri, groundtruth);
    if (one !== undefined) cases.push(one);
    await repository.write(file);
    await engine.index.updateFile(uri);
  }
  await engine.index.setFolders([]);
  return cases;
}
