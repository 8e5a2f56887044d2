// `npm run bench -- inference`: how fast the model is on this machine, with a goal for each figure.
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { packagedLocations } from "../../../sidecar/host/locations";
import { measuredModel } from "../../eval/measured-model";
import { inProcess } from "../child";
import { chosenParts, commonOptions, count, type Measurement, measureAndPrint, tell } from "../command";
import { goalTable } from "../goals";
import { copyLargeTree } from "../large-tree";
import { pairOptions, pairsOf, type TaskPair } from "../task-input";
import { type CancellationResult, cancellationPhase } from "./cancellation";
import { type DraftingResult, draftingPhase } from "./drafting";
import { figuresOf, type Measured, rateFigures } from "./figures";
import { type KeystrokeResult, keystrokesPhase } from "./keystrokes";
import { llamaPhase } from "./llama";
import { llamaMegabytes, llamaVersion } from "./llama-package";
import { largeIndexPhase, sidecarMemory } from "./memory";
import { ratesPhase } from "./rates";
import { type ComparedRates, ratesInRounds } from "./rounds";

/** The phases that run in their own process, with options as JSON. */
export const inferencePhases = {
  keystrokes: (options: string) => keystrokesPhase(JSON.parse(options)),
  cancellation: (options: string) => cancellationPhase(JSON.parse(options)),
  drafting: (options: string) => draftingPhase(JSON.parse(options)),
  rates: (options: string) => ratesPhase(JSON.parse(options)),
  llama: (options: string) => llamaPhase(JSON.parse(options)),
  "large-index": (options: string) => largeIndexPhase(JSON.parse(options)),
};

const parts = ["keystrokes", "cancellation", "drafting", "memory", "rates"] as const;

const help = `npm run bench -- inference [OPTIONS]
  --json FILE           write all figures to FILE
  --cores N             cores to measure on; default 2, or 1 where there is only one
  --model NAME|DIR      the model to measure; default: small, the one that ships. Given several times, the
                        rates of the others are measured too, in one round
  --gguf FILE           the file that the model was converted from, or one with the same weights, for the comparison with
                        llama.cpp. Default: the file that tests have downloaded to ~/.cache/selfracg-test-files
  --tasks FILE          tasks for drafting, and
  --repos FILE          the repositories they are from; default: drafting is not measured
  --only PART           one of ${parts.join(", ")}; may be given several times
  --rounds N            rounds of comparisons; default 3
  --documents N         documents in which text is typed; default 6
  --drafting-tasks N    tasks decoded; default 40
  --fragments N         fragments of the large index; default 50000

llama.cpp is node-llama-cpp ${llamaVersion} with its CPU binaries. If there is a GGUF file, it is measured alternately on the
same cores, with the same number of threads and the same tokens. It is installed from the npm registry into
.cache/node-llama-cpp the first time (about ${llamaMegabytes} MB; no install scripts).
`;

interface Options {
  readonly cores: number;
  readonly rounds: number;
  readonly documents: number;
  readonly draftingTasks: number;
  readonly fragments: number;
  readonly parts: ReadonlySet<(typeof parts)[number]>;
  readonly modelPath: string;
  readonly grammarPath: string;
  /** modelPath and the other models of the table by size. */
  readonly models: readonly string[];
  readonly gguf: string | undefined;
  readonly tasks: TaskPair | undefined;
  /** The project's folder, with the installed packages whose sources are indexed. */
  readonly root: string;
  readonly dist: string;
}

/** @throws Error for an invalid option */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...commonOptions,
      ...pairOptions,
      model: { type: "string", multiple: true, default: [] },
      gguf: { type: "string" },
      documents: { type: "string", default: "6" },
      "drafting-tasks": { type: "string", default: "40" },
      fragments: { type: "string", default: "50000" },
    },
  });
  if (values.help === true) return void process.stdout.write(help);
  const dist = dirname(__filename);
  const root = dirname(dist);
  const pairs = values.tasks.length + values.repos.length === 0 ? [] : pairsOf(values, help);
  if (pairs.length > 1)
    throw new Error(`expected one --tasks and one --repos, found ${pairs.length}: give one of each`);
  const { modelFolders, grammarPath } = packagedLocations(dist);
  const modelPath = measuredModel(values.model[0], modelFolders);
  const options: Options = {
    cores: count("--cores", values.cores),
    rounds: count("--rounds", values.rounds),
    documents: count("--documents", values.documents),
    draftingTasks: count("--drafting-tasks", values["drafting-tasks"]),
    fragments: count("--fragments", values.fragments),
    parts: chosenParts(parts, values.only),
    modelPath,
    grammarPath,
    models: [modelPath, ...values.model.slice(1).map((wanted) => measuredModel(wanted, modelFolders))],
    gguf: values.gguf === undefined ? undefined : resolve(values.gguf),
    tasks: pairs[0],
    root,
    dist,
  };
  await measureAndPrint({ cores: options.cores, json: values.json }, (scratch) => measure(options, scratch));
}

async function measure(options: Options, scratch: string): Promise<Measurement> {
  const { cores, modelPath, grammarPath, rounds, documents, fragments, parts, root } = options;
  const originals = join(scratch, "tree");
  const common = { modelPath, grammarPath, threads: cores };
  await copyLargeTree(join(root, "node_modules"), originals, files);
  let measured: Measured = {};
  if (parts.has("keystrokes")) {
    tell("keystrokes");
    const typed = { workspace: originals, storagePath: join(scratch, "index"), documents };
    measured = {
      ...measured,
      keystrokes: await inProcess<KeystrokeResult>("keystrokes", { ...common, ...typed }, { cores }),
    };
  }
  if (parts.has("cancellation")) {
    tell("cancellation");
    measured = {
      ...measured,
      cancellation: await inProcess<CancellationResult>("cancellation", common, { cores }),
    };
  }
  if (parts.has("drafting") && options.tasks !== undefined) {
    tell("drafting");
    const drafted = { ...options.tasks, maxTasks: options.draftingTasks };
    measured = {
      ...measured,
      drafting: await inProcess<DraftingResult>("drafting", { ...common, ...drafted }, { cores }),
    };
  }
  if (parts.has("memory")) {
    tell(`an index of ${fragments} fragments`);
    const large = { workspace: join(scratch, "large"), storagePath: join(scratch, "large-index") };
    await inProcess<number>("large-index", { ...common, ...large, originals, fragments }, { cores });
    tell("the sidecar's memory");
    const sidecar = join(options.dist, "sidecar.js");
    measured = {
      ...measured,
      memory: await sidecarMemory({ ...large, sidecar, modelPath, threads: cores, completions: 16 }),
    };
  }
  const rates: ComparedRates[] = [];
  for (const [at, model] of parts.has("rates") ? options.models.entries() : []) {
    const first = at === 0 ? { gguf: options.gguf, rounds } : { gguf: undefined, rounds: 1 };
    rates.push(await ratesInRounds({ modelPath: model, cores, root, ...first }));
  }
  measured = { ...measured, rates };
  return {
    figures: figuresOf(measured, parts.has("drafting")),
    tables: rates.slice(1).map((each) => `${each.rounds[0]?.model}\n${goalTable(rateFigures(each))}`),
    measured,
    note: "Ratios are of medians of the same run; milliseconds hold for this machine at this moment.",
  };
}

/** Files of the workspace. */
const files = 120;
