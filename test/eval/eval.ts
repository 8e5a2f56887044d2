// `npm run eval`: completes cross-file tasks through the sidecar's own code and prints how well, with intervals.
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ModelPackageError } from "../../sidecar/inference/model-package-error";
import { ModelNotFound } from "../../sidecar/models/resolve-model";
import { settingBounds } from "../../sidecar/protocol";
import { rankingWeights } from "../../sidecar/retrieval/ranking";
import { packagedLocations } from "../../sidecar/server/locations";
import { quietLog } from "../../sidecar/server/log";
import { compare } from "./compare";
import { Evaluation, type EvaluationOptions } from "./evaluation";
import { InputError, placeOf, readRepositories, readTasks, type Task } from "./input";
import { measuredModel } from "./measured-model";
import { duration, Progress } from "./progress";
import { checkLanguage } from "./relevance";
import { ResultFile } from "./results";
import { retrieverNames } from "./retrievers";
import { figureLines, figureNames, summarise } from "./summary";

const help = `npm run eval -- --tasks FILE --repos FILE [OPTIONS]

  --tasks FILE          tasks {id, language, repository, file, offset, groundtruth}, as .jsonl or .jsonl.xz
  --repos FILE          their repositories {repository, language, files: {path: text}}, as .jsonl or .jsonl.xz
  --limit N             the first N tasks
  --retriever NAME      ${retrieverNames.join(", ")}; default: selfracg
                        -always: never "nothing needed"; -next: the fragment after the one found; oracle: bm25 that sees the answer
  --fragments KIND      product: cut as the sidecar cuts files (default); windows: 20 lines every 10
  --imported N          with selfracg: added to the score of fragments of imported files; default: as in the product
  --plain               as models/training measures: windows of the other files, no cache model over the prompt, no stops, no filters
  --model NAME|DIR      model of the list, or folder of a package; default: small, the one that ships
  --provider NAME       auto, cuda or cpu; default: auto
  --threads N           CPU threads; default: chosen from the cores there are
  --json FILE           write the figures to FILE as one JSON object
  --compare FILE        set the results beside another harness's predictions {id, retriever, prediction, em, es}, as .jsonl
  --work DIR            results and embeddings, with which an ended run goes on; default: .cache/eval

Progress goes to standard error. Exit codes: 0 done, 2 bad input, 1 anything else.
`;

interface Command extends EvaluationOptions {
  readonly tasks: string;
  readonly repos: string;
  readonly limit: number | undefined;
  readonly json: string | undefined;
  readonly compare: string | undefined;
}

function parseOptions(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        help: { type: "boolean", short: "h" },
        tasks: { type: "string" },
        repos: { type: "string" },
        limit: { type: "string" },
        retriever: { type: "string", default: "selfracg" },
        fragments: { type: "string" },
        imported: { type: "string" },
        plain: { type: "boolean", default: false },
        model: { type: "string" },
        provider: { type: "string", default: "auto" },
        threads: { type: "string", default: "0" },
        json: { type: "string" },
        compare: { type: "string" },
        work: { type: "string" },
      },
    }).values;
  } catch (error) {
    throw new InputError(
      `${error instanceof Error ? (error.message.split(". ")[0] ?? error.message) : String(error)}. Run with --help to see the options there are.`,
    );
  }
}

function readArguments(args: string[]): Command | "help" {
  const values = parseOptions(args);
  if (values.help === true) return "help";
  const { tasks, repos, plain } = values;
  if (tasks === undefined || repos === undefined)
    throw new InputError(
      `Expected --tasks FILE and --repos FILE, found no ${tasks === undefined ? "--tasks" : "--repos"}. Run with --help to see how they are used.`,
    );
  const { modelFolders, grammarPath } = packagedLocations(__dirname);
  return {
    tasks: resolve(tasks),
    repos: resolve(repos),
    limit: values.limit === undefined ? undefined : wholeNumber("--limit", values.limit, 1, Number.MAX_SAFE_INTEGER),
    retriever: oneOf("--retriever", values.retriever, retrieverNames),
    fragments: oneOf("--fragments", values.fragments ?? (plain ? "windows" : "product"), ["product", "windows"]),
    plain,
    imported: values.imported === undefined ? rankingWeights.imported : numberOf("--imported", values.imported),
    modelPath: measuredModel(values.model, modelFolders),
    grammarPath,
    provider: oneOf("--provider", values.provider, ["auto", "cuda", "cpu"]),
    threads: wholeNumber("--threads", values.threads, settingBounds.threads.minimum, settingBounds.threads.maximum),
    json: values.json === undefined ? undefined : resolve(values.json),
    compare: values.compare === undefined ? undefined : resolve(values.compare),
    work: resolve(values.work ?? join(__dirname, "..", ".cache", "eval")),
    log: quietLog,
  };
}

function oneOf<Name extends string>(option: string, text: string, names: readonly Name[]): Name {
  const found = names.find((name) => name === text);
  if (found === undefined)
    throw new InputError(`${option}: expected ${names.join(", ")}, found ${JSON.stringify(text)}.`);
  return found;
}

function wholeNumber(option: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > most || text.trim() === "") {
    throw new InputError(
      `${option}: expected a whole number from ${least}${most < Number.MAX_SAFE_INTEGER ? ` to ${most}` : ""}, found ${JSON.stringify(text)}.`,
    );
  }
  return value;
}

function numberOf(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || text.trim() === "")
    throw new InputError(`${option}: expected a number, found ${JSON.stringify(text)}.`);
  return value;
}

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
  // Said before hours of work, not in their midst.
  for (const task of tasks) placeOf(task, filesOf(task.repository));

  const evaluation = await Evaluation.open(command);
  const { retriever, fragments, plain, imported, work } = command;
  const { name, version, hash } = evaluation.model;
  // A changed program gives other results.
  const code = createHash("sha256")
    .update(await readFile(__filename))
    .digest("hex");
  const results = new ResultFile(join(work, "results", `${retriever}-${evaluation.key(code)}.jsonl`));
  const finished = () => tasks.flatMap((task) => results.get(task) ?? []);
  const before = finished().length;
  const progress = new Progress();
  if (before > 0) process.stderr.write(`${before} of ${tasks.length} tasks were done before.\n`);
  for (const [repository, group] of groups) {
    await evaluation.run(repository, filesOf(repository), group, results, (detail) => {
      progress.show(finished().length, tasks.length, detail);
    });
  }
  if (before < tasks.length) progress.show(finished().length, tasks.length, "done");
  progress.end();
  const provider = evaluation.backbone.provider.name;
  await evaluation.dispose();

  const found = finished();
  const figures = summarise(found);
  const elapsedMs = performance.now() - started;
  const needing = found.filter(({ needs }) => needs);
  const languages = Object.fromEntries(
    [...new Set(tasks.map(({ language }) => language))].map((language) => [
      language,
      tasks.filter((task) => task.language === language).length,
    ]),
  );
  const suggested = found.filter(({ prediction }) => prediction !== "").length;
  const inPrompt = needing.filter((result) => result.inPrompt).length;
  const times = found.map(({ ms }) => ms).sort((a, b) => a - b);
  const medianMs = times[Math.floor(times.length / 2)] ?? 0;
  const meanFragments = found.reduce((sum, result) => sum + result.fragments, 0) / found.length;
  const lines = [
    `${name} ${version} (${hash.slice(0, 8)}) on ${provider}, ${retriever}, ${fragments === "product" ? "the sidecar's fragments" : "windows of 20 lines"}${imported === rankingWeights.imported ? "" : `, imported files raised by ${imported}`}${plain ? ", plain" : ""}`,
    `${tasks.length} tasks (${Object.entries(languages)
      .map(([language, count]) => `${language} ${count}`)
      .join(", ")}) in ${groups.size} repositories, ${needing.length} with a definition in another file`,
    "  figure             value   95 % interval over repositories",
    ...figureLines(figures),
    `something suggested ${suggested}/${found.length}, ${meanFragments.toFixed(1)} fragments a prompt, a defining one in ${inPrompt}/${needing.length}`,
    `median ${medianMs.toFixed(0)} ms a completion; ${duration(elapsedMs)} for ${found.length - before} tasks`,
  ];
  const comparison = command.compare === undefined ? undefined : compare(found, command.compare, retriever);
  if (comparison !== undefined) {
    const { here, there } = comparison;
    lines.push(
      `beside ${command.compare}: ${comparison.identical} of ${comparison.tasks} predictions identical`,
      `  exact match      here ${here.em.toFixed(3)}, there ${there.em.toFixed(3)}`,
      `  edit similarity  here ${here.es.toFixed(2)}, there ${there.es.toFixed(2)}`,
    );
  }
  process.stdout.write(`${lines.join("\n")}\n`);
  if (command.json === undefined) return;
  const values = Object.fromEntries(figureNames.map((figure) => [figure, figures[figure].value]));
  const intervals = Object.fromEntries(
    figureNames.map((figure) => [figure, [figures[figure].low, figures[figure].high]]),
  );
  const object = {
    ...values,
    tasks: tasks.length,
    retriever,
    model: `${name} ${version}`,
    intervals,
    modelHash: hash,
    retrievalTasks: needing.length,
    repositories: groups.size,
    languages,
    fragments,
    imported,
    plain,
    provider,
    suggested,
    definitionInPrompt: inPrompt,
    medianMs,
    elapsedSeconds: elapsedMs / 1000,
    comparison,
  };
  await writeFile(command.json, `${JSON.stringify(object, undefined, 2)}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  const refused = [InputError, ModelNotFound, ModelPackageError].some((refusal) => error instanceof refusal);
  process.exitCode = refused ? 2 : 1;
});
