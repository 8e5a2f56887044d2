// `npm run eval`: completes tasks of real repositories with the sidecar's code, and prints scores with intervals.

import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { errorMessage } from "../../sidecar/host/errors";
import { ModelPackageError } from "../../sidecar/inference/package/model-package-error";
import { ModelNotFound } from "../../sidecar/models/resolve-model";
import { compare } from "./compare";
import { Evaluation } from "./evaluation";
import { InputError, placeOf, readRepositories, readTasks, type Task } from "./input";
import { help, readArguments } from "./options";
import { Progress } from "./progress";
import { checkLanguage } from "./relevance";
import { type Run, reportLines, reportObject } from "./report";
import { ResultFile } from "./results";
import { unitFor } from "./summary";

async function main(): Promise<void> {
  const command = readArguments(process.argv.slice(2));
  if (command === "help") return void process.stdout.write(help);
  const started = performance.now();
  const tasks = await readTasks(command.tasks, command.limit);
  for (const { language } of tasks) checkLanguage(language);
  const groups = new Map<string, Task[]>();
  for (const task of tasks) groups.set(task.repository, [...(groups.get(task.repository) ?? []), task]);
  const repositories = await readRepositories(command.repos, new Set(groups.keys()));
  const filesOf = (name: string) => repositories.get(name) ?? new Map<string, string>();
  // Reported before hours of work, not during them.
  for (const task of tasks) placeOf(task, filesOf(task.repository));

  const evaluation = await Evaluation.open(command);
  // A changed program may give other results.
  const code = createHash("sha256")
    .update(await readFile(__filename))
    .digest("hex");
  const results = new ResultFile(join(command.work, "results", `${command.retriever}-${evaluation.key(code)}.jsonl`));
  const finished = () => tasks.flatMap((task) => results.resultOf(task) ?? []);
  const before = finished().length;
  const progress = new Progress();
  if (before > 0) process.stderr.write(`${before} of ${tasks.length} tasks were done in an earlier run.\n`);
  for (const [repository, group] of groups) {
    await evaluation.run(repository, filesOf(repository), group, results, (detail) => {
      progress.show(finished().length, tasks.length, detail);
    });
  }
  if (before < tasks.length) progress.show(finished().length, tasks.length, "done");
  progress.end();
  const { model } = evaluation;
  const provider = evaluation.backbone.provider.name;
  await evaluation.dispose();

  const found = finished();
  const unit = unitFor(found);
  const run: Run = {
    command,
    model,
    provider,
    results: found,
    before,
    elapsedMs: performance.now() - started,
    unit,
    comparison: command.compare === undefined ? undefined : compare(found, command.compare, unit),
  };
  process.stdout.write(reportLines(run));
  if (command.json !== undefined) await writeFile(command.json, `${JSON.stringify(reportObject(run), undefined, 2)}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${errorMessage(error)}\n`);
  const refused = [InputError, ModelNotFound, ModelPackageError].some((refusal) => error instanceof refusal);
  process.exitCode = refused ? 2 : 1;
});
