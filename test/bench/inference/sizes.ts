// Rates by model and number of cores; each round is followed by llama.cpp on the same GGUF file.

import { join } from "node:path";
import { errorMessage } from "../../../sidecar/host/errors";
import { inProcess } from "../child";
import { ggufOf } from "../model-files";
import { percentile } from "../statistics";
import { digits, table } from "./goals";
import type { LlamaRates } from "./llama";
import { installLlama, llamaMegabytes, llamaVersion } from "./llama-package";
import type { Pace } from "./pace";
import type { Rates } from "./rates";

export interface SizedRates {
  readonly modelPath: string;
  readonly cores: number;
  readonly rounds: readonly Rates[];
  /** llama.cpp on the same weights, once per round; empty for the reason in `withoutLlama`. */
  readonly llama: readonly LlamaRates[];
  readonly withoutLlama: string | undefined;
}

export interface SizeOptions {
  /** The first model is measured in `rounds` rounds, the others in one. */
  readonly models: readonly string[];
  /** File with the weights of the first model; undefined: searched for. */
  readonly gguf: string | undefined;
  readonly cores: number;
  readonly rounds: number;
  /** The project's folder, with .cache. */
  readonly root: string;
  readonly tell: (what: string) => void;
}

/** Milliseconds after which a process starts no further repetition of a figure. */
const budgetMs = 10_000;

/** The first model on all cores in all rounds, then every model on one core and on all of them in one round. */
export async function ratesBySize(options: SizeOptions): Promise<readonly SizedRates[]> {
  const { models, cores, rounds } = options;
  const [first = ""] = models;
  const sizes: SizedRates[] = [await ratesOf(options, first, cores, rounds)];
  for (const path of models) {
    for (const some of new Set([1, cores]))
      if (path !== first || some !== cores) sizes.push(await ratesOf(options, path, some, 1));
  }
  return sizes;
}

/** Rounds of one package, each followed by llama.cpp. */
async function ratesOf(options: SizeOptions, modelPath: string, cores: number, rounds: number): Promise<SizedRates> {
  const found: { own: Rates[]; llama: LlamaRates[] } = { own: [], llama: [] };
  const beside = await llamaFor(options, modelPath);
  for (let round = 1; round <= rounds; round++) {
    options.tell(
      `rates of ${modelPath} on ${cores} ${cores === 1 ? "core" : "cores"}${rounds > 1 ? `, round ${round}` : ""}`,
    );
    const own = await inProcess<Rates>("rates", { modelPath, threads: cores, budgetMs }, { cores });
    found.own.push(own);
    if ("missing" in beside) continue;
    const { vocabulary } = own;
    found.llama.push(
      await inProcess<LlamaRates>("llama", { ...beside, threads: cores, vocabulary, budgetMs }, { cores }),
    );
  }
  const withoutLlama = "missing" in beside ? beside.missing : undefined;
  return { modelPath, cores, rounds: found.own, llama: found.llama, withoutLlama };
}

/** The file and package for llama.cpp, or why the comparison is not possible. */
async function llamaFor(
  options: SizeOptions,
  modelPath: string,
): Promise<{ readonly entry: string; readonly gguf: string } | { readonly missing: string }> {
  const gguf = await ggufOf(modelPath, modelPath === options.models[0] ? options.gguf : undefined);
  if ("missing" in gguf) return gguf;
  const folder = join(options.root, ".cache", "node-llama-cpp");
  try {
    const entry = await installLlama(folder, () =>
      options.tell(
        `against llama.cpp: installing node-llama-cpp ${llamaVersion} from the npm registry in ${folder} (about ${llamaMegabytes} MB, once)`,
      ),
    );
    return { entry, gguf: gguf.path };
  } catch (error) {
    return { missing: errorMessage(error) };
  }
}

/** Speed relative to llama.cpp for each round; NaN when not measured. */
export function speedUps({ rounds, llama }: SizedRates, milliseconds: (pace: Pace) => number | undefined): number[] {
  return rounds.map((own, at) => {
    const theirs = llama[at];
    return ((theirs && milliseconds(theirs)) ?? Number.NaN) / (milliseconds(own) ?? Number.NaN);
  });
}

/** Milliseconds by size and cores. */
export function sizeTable(sizes: readonly SizedRates[]): string {
  if (sizes.length === 0) return "";
  const median = (rounds: readonly Rates[], value: (rate: Rates) => number | undefined): string =>
    digits(
      percentile(
        rounds.map((rate) => value(rate) ?? Number.NaN),
        0.5,
      ),
    );
  const over = (value: (rate: Rates) => Readonly<Record<number, number>>): number[] =>
    [...new Set(sizes.flatMap(({ rounds }) => rounds.flatMap((rate) => Object.keys(value(rate)).map(Number))))].sort(
      (a, b) => a - b,
    );
  const prompts = over((rate) => rate.prefillMs);
  const pasts = over((rate) => rate.decodeMs);
  const runs = over((rate) => rate.verifyMs);
  const cell = (rounds: readonly Rates[], value: (rate: Rates) => number | undefined): string => {
    const text = median(rounds, value);
    return text === "NaN" ? "-" : text;
  };
  const times = (size: SizedRates, milliseconds: (pace: Pace) => number | undefined): string => {
    const text = digits(percentile(speedUps(size, milliseconds), 0.5));
    return text === "NaN" ? "-" : text;
  };
  const rows = sizes.map((size) => {
    const { cores, rounds } = size;
    return [
      rounds[0]?.model ?? "",
      `${((rounds[0]?.parameters ?? 0) / 1e6).toFixed(1)}M`,
      `${cores}`,
      ...prompts.map((tokens) => cell(rounds, (rate) => rate.prefillMs[tokens])),
      ...pasts.map((past) => cell(rounds, (rate) => rate.decodeMs[past])),
      ...runs.map((tokens) => cell(rounds, (rate) => rate.verifyMs[tokens])),
      ...prompts.map((tokens) => times(size, (pace) => pace.prefillMs[tokens])),
      ...pasts.map((past) => times(size, (pace) => pace.decodeMs[past])),
      cell(rounds, (rate) => rate.bandwidth.share),
      cell(rounds, (rate) => rate.loadMs),
      cell(rounds, (rate) => rate.peakMegabytes),
    ];
  });
  const overLlama = [
    ...prompts.map((tokens) => `read ${tokens} /llama`),
    ...pasts.map((past) => `token @${past} /llama`),
  ];
  const header = [
    "milliseconds",
    "size",
    "cores",
    ...prompts.map((tokens) => `read ${tokens}`),
    ...pasts.map((past) => `token @${past}`),
    ...runs.map((tokens) => `verify ${tokens}`),
    ...overLlama,
    "of bandwidth",
    "load",
    "MB",
  ];
  return table(header, rows);
}
