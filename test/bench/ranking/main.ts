// `npm run bench -- ranking`: the effect of boosts for imported and recently edited files on ranks and suggestions.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { packagedLocations } from "../../../sidecar/host/locations";
import { defaultSettings } from "../../../sidecar/protocol";
import { placeOf } from "../../eval/input";
import { measuredModel } from "../../eval/measured-model";
import { duration } from "../../eval/progress";
import { Repository } from "../../eval/repository";
import { count } from "../command";
import { pairOptions, pairsOf, type RepositoryTasks, type TaskPair, tasksByRepository } from "../task-input";
import type { Case } from "./cases";
import { casesOfHistory } from "./commits";
import { RankingEngine } from "./engine";
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
const casesVersion = 4;
/** Number of a repository's last commits from which suitable ones are chosen. */
const depth = 600;

/** Cases from the cache, or computed now. @param given the inputs they depend on, besides the model */
type CachedCases = (name: string, given: readonly unknown[], make: () => Promise<Case[]>) => Promise<Case[]>;

/** @throws Error for an invalid option; InputError for tasks that cannot be read */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...pairOptions,
      help: { type: "boolean" },
      limit: { type: "string" },
      git: { type: "string", multiple: true, default: [] },
      commits: { type: "string", default: "25" },
      model: { type: "string" },
      work: { type: "string" },
    },
  });
  if (values.help === true) return void process.stdout.write(help);
  const pairs = values.git.length > 0 && values.tasks.length + values.repos.length === 0 ? [] : pairsOf(values, help);
  const limit = values.limit === undefined ? undefined : count("--limit", values.limit);
  const max = count("--commits", values.commits);
  const { modelFolders, grammarPath } = packagedLocations(__dirname);
  const work = resolve(values.work ?? join(__dirname, "..", ".cache", "ranking"));
  const started = performance.now();
  const engine = await RankingEngine.open(measuredModel(values.model, modelFolders), grammarPath, work);
  const cachedCases = cacheIn(join(work, "cases"), engine.model.backbone.model.hash);
  const fromTasks: Case[] = [];
  for (const pair of pairs) fromTasks.push(...(await casesOfTasks(engine, cachedCases, pair, limit, work)));
  const fromHistory: Case[] = [];
  for (const git of values.git)
    fromHistory.push(
      ...(await cachedCases("history", [resolve(git), max], () =>
        casesOfHistory(engine, git, work, { max, depth }, say),
      )),
    );
  await engine.dispose();
  if (fromTasks.length > 0) process.stdout.write(`${report("tasks", fromTasks)}\n`);
  if (fromHistory.length > 0) process.stdout.write(`${report("history", fromHistory)}\n`);
  say(duration(performance.now() - started));
}

function cacheIn(folder: string, modelHash: string): CachedCases {
  mkdirSync(folder, { recursive: true });
  return async (name, given, make) => {
    const inputs = JSON.stringify([casesVersion, modelHash, ...given]);
    const file = join(folder, `${name}-${createHash("sha256").update(inputs).digest("hex").slice(0, 16)}.json`);
    if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8"));
    const cases = await make();
    writeFileSync(file, JSON.stringify(cases));
    return cases;
  };
}

async function casesOfTasks(
  engine: RankingEngine,
  cachedCases: CachedCases,
  pair: TaskPair,
  limit: number | undefined,
  work: string,
): Promise<Case[]> {
  const groups = await tasksByRepository(pair, limit);
  const root = join(work, `tree-${process.pid}`);
  const cases: Case[] = [];
  for (const [done, group] of groups.entries()) {
    say(`${basename(pair.tasks)}: repository ${done + 1} of ${groups.length}, ${cases.length} cursors so far`);
    const given = [group.name, group.tasks.map(({ id }) => id)];
    const make = () => casesOfRepository(engine, group, root);
    cases.push(...(await cachedCases(basename(pair.tasks, ".jsonl"), given, make)));
  }
  await rm(root, { recursive: true, force: true });
  return cases;
}

async function casesOfRepository(
  engine: RankingEngine,
  { name, tasks, files }: RepositoryTasks,
  root: string,
): Promise<Case[]> {
  const cases: Case[] = [];
  const repository = await Repository.open(name, root, files, engine.model.chunker, {
    maxBytes: defaultSettings.maxFileKilobytes * 1024,
  });
  await engine.index.setFolders([{ uri: repository.uri, name }]);
  await engine.index.reindex();
  for (const task of tasks) {
    const place = placeOf(task, files);
    const uri = repository.uriOf(task.file);
    // The text after the cursor is not written yet.
    await repository.write(task.file, place.prefix);
    await engine.index.updateFile(uri);
    const one = await engine.caseOf(place, uri, task.groundtruth);
    if (one !== undefined) cases.push(one);
    await repository.write(task.file);
    await engine.index.updateFile(uri);
  }
  await engine.index.setFolders([]);
  return cases;
}

function say(detail: string): void {
  process.stderr.write(`${detail}\n`);
}
