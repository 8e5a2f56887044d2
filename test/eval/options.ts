// The options of `npm run eval`.

import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { firstSentence } from "../../sidecar/host/errors";
import { packagedLocations } from "../../sidecar/host/locations";
import { quietLog } from "../../sidecar/host/log";
import { boundsOf } from "../../sidecar/protocol";
import { boostWeights } from "../../sidecar/retrieval/boosts";
import type { EvaluationOptions } from "./evaluation";
import { InputError } from "./input";
import { measuredModel } from "./measured-model";
import { retrieverNames } from "./retrievers";

export const help = `npm run eval -- --tasks FILE --repos FILE [OPTIONS]

  --tasks FILE          tasks {id, language, repository, file, offset, groundtruth}, as .jsonl or .jsonl.xz;
                        may be given several times
  --repos FILE          their repositories {repository, language, files: {path: text}}, as .jsonl or .jsonl.xz;
                        may be given several times
  --limit N             N tasks of each file, drawn by a fixed shuffle: a larger N includes the tasks of a smaller one
  --retriever NAME      ${retrieverNames.join(", ")}; default: selfracg
                        -always: never "nothing needed"; -next: the fragment after the one found; oracle: bm25 that sees the answer
  --fragments KIND      product: cut as the sidecar cuts files (default); windows: 20 lines every 10
  --imported N          with selfracg: added to the score of fragments of imported files; default: as in the product
  --plain               the model alone: windows of the other files, no n-gram lookup, no stops, no filters
  --model NAME|DIR      model of the list, or folder of a package; default: small, the one that ships
  --provider NAME       auto, cuda or cpu; default: auto
  --threads N           CPU threads; default: chosen from the cores there are
  --json FILE           write the figures and every task's result to FILE as one JSON object
  --compare FILE        differences, task by task, from another run's --json FILE
  --work DIR            results and embeddings, from which an interrupted run continues; default: .cache/eval

Intervals are 95 % bootstrap intervals: whole repositories are drawn, or whole files where a language has fewer than ten
repositories. Progress goes to standard error. Exit codes: 0 done, 2 bad input, 1 anything else.
`;

export interface Command extends EvaluationOptions {
  readonly tasks: readonly string[];
  readonly repos: readonly string[];
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
        tasks: { type: "string", multiple: true, default: [] },
        repos: { type: "string", multiple: true, default: [] },
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
    throw new InputError(`${firstSentence(error)}. Run with --help to see the options there are.`);
  }
}

/** @throws InputError for options that cannot be used */
export function readArguments(args: string[]): Command | "help" {
  const values = parseOptions(args);
  if (values.help === true) return "help";
  const { tasks, repos, plain } = values;
  if (tasks.length === 0 || repos.length === 0)
    throw new InputError(
      `Expected --tasks FILE and --repos FILE, found no ${tasks.length === 0 ? "--tasks" : "--repos"}. Run with --help to see how they are used.`,
    );
  const { modelFolders, grammarPath } = packagedLocations(__dirname);
  const threads = boundsOf("threads");
  return {
    tasks: tasks.map((path) => resolve(path)),
    repos: repos.map((path) => resolve(path)),
    limit: values.limit === undefined ? undefined : wholeNumber("--limit", values.limit, 1, Number.MAX_SAFE_INTEGER),
    retriever: oneOf("--retriever", values.retriever, retrieverNames),
    fragments: oneOf("--fragments", values.fragments ?? (plain ? "windows" : "product"), ["product", "windows"]),
    plain,
    imported: values.imported === undefined ? boostWeights.imported : numberOf("--imported", values.imported),
    modelPath: measuredModel(values.model, modelFolders),
    grammarPath,
    provider: oneOf("--provider", values.provider, ["auto", "cuda", "cpu"]),
    threads: wholeNumber("--threads", values.threads, threads.minimum, threads.maximum),
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

function wholeNumber(option: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max || text.trim() === "") {
    throw new InputError(
      `${option}: expected a whole number from ${min}${max < Number.MAX_SAFE_INTEGER ? ` to ${max}` : ""}, found ${JSON.stringify(text)}.`,
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
