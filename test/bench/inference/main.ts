// `npm run bench -- inference`: how fast the model is on this machine, with a goal for each figure.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { packagedLocations } from "../../../sidecar/host/locations";
import { measuredModel } from "../../eval/measured-model";
import { inProcess } from "../child";
import { copyLargeTree } from "../large-tree";
import { count, machineOn } from "../options";
import { type DraftingResult, draftingPhase } from "./drafting";
import { figuresOf, type Measured } from "./figures";
import { goalTable, met } from "./goals";
import { type KeystrokeResult, keystrokesPhase } from "./keystrokes";
import { llamaPhase } from "./llama";
import { llamaMegabytes, llamaVersion } from "./llama-package";
import { largeIndexPhase, sidecarMemory } from "./memory";
import { ratesPhase } from "./rates";
import { type ServiceResult, servicePhase } from "./service";
import { ratesBySize, sizeTable } from "./sizes";

/** The phases that run in their own process, with options as JSON. */
export const inferencePhases = {
  keystrokes: (options: string) => keystrokesPhase(JSON.parse(options)),
  service: (options: string) => servicePhase(JSON.parse(options)),
  drafting: (options: string) => draftingPhase(JSON.parse(options)),
  rates: (options: string) => ratesPhase(JSON.parse(options)),
  llama: (options: string) => llamaPhase(JSON.parse(options)),
  "large-index": (options: string) => largeIndexPhase(JSON.parse(options)),
};

const parts = ["keystrokes", "service", "drafting", "memory", "rates"] as const;
type Part = (typeof parts)[number];

const help = `npm run bench -- inference [OPTIONS]
  --json FILE           write all figures to FILE
  --cores N             cores to measure on; default 2, or 1 where there is only one
  --model NAME|DIR      the model to measure; default: small, the one that ships. Given several times, the others
                        appear only in the table by size
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
  readonly parts: ReadonlySet<Part>;
  readonly modelPath: string;
  readonly grammarPath: string;
  /** modelPath and the other models of the table by size. */
  readonly models: readonly string[];
  readonly gguf: string | undefined;
  readonly tasks: { readonly tasks: string; readonly repositories: string } | undefined;
  /** The project's folder, with the installed packages whose sources are indexed. */
  readonly root: string;
  readonly dist: string;
}

/** @throws Error for an invalid option */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: "boolean" },
      json: { type: "string" },
      cores: { type: "string", default: `${Math.min(2, availableParallelism())}` },
      model: { type: "string", multiple: true, default: [] },
      gguf: { type: "string" },
      tasks: { type: "string" },
      repos: { type: "string" },
      only: { type: "string", multiple: true, default: [] },
      rounds: { type: "string", default: "3" },
      documents: { type: "string", default: "6" },
      "drafting-tasks": { type: "string", default: "40" },
      fragments: { type: "string", default: "50000" },
    },
  });
  if (values.help === true) return void process.stdout.write(help);
  const dist = dirname(__filename);
  const root = dirname(dist);
  const given = pair("--tasks", values.tasks, "--repos", values.repos);
  const wanted = values.only.map((name) => {
    const part = parts.find((each) => each === name);
    if (part === undefined)
      throw new Error(`--only: expected one of ${parts.join(", ")}, found ${JSON.stringify(name)}`);
    return part;
  });
  const { modelFolders, grammarPath } = packagedLocations(dist);
  const modelPath = measuredModel(values.model[0], modelFolders);
  const options: Options = {
    cores: count("--cores", values.cores),
    rounds: count("--rounds", values.rounds),
    documents: count("--documents", values.documents),
    draftingTasks: count("--drafting-tasks", values["drafting-tasks"]),
    fragments: count("--fragments", values.fragments),
    parts: new Set(wanted.length === 0 ? parts : wanted),
    modelPath,
    grammarPath,
    models: [modelPath, ...values.model.slice(1).map((wanted) => measuredModel(wanted, modelFolders))],
    gguf: values.gguf === undefined ? undefined : resolve(values.gguf),
    tasks: given && { tasks: resolve(given[0]), repositories: resolve(given[1]) },
    root,
    dist,
  };
  const started = performance.now();
  const machine = machineOn(options.cores);
  const measured = await measure(options);
  const figures = figuresOf(measured, options.parts.has("drafting"));
  const seconds = (performance.now() - started) / 1000;
  print(
    `\n${machine.cpu}, ${options.cores} of ${machine.cores} cores${machine.confined ? "" : " (by threads: there is no taskset)"}, Node ${machine.node}\n`,
  );
  print(goalTable(figures));
  print(`\n${sizeTable(measured.rates ?? [])}`);
  print(
    `\n${seconds.toFixed(0)} s. Ratios are of medians of the same run; milliseconds hold for this machine at this moment.`,
  );
  if (values.json !== undefined) {
    const content = { machine, seconds, figures: figures.map((figure) => ({ ...figure, met: met(figure) })), measured };
    await writeFile(values.json, `${JSON.stringify(content, undefined, 2)}\n`);
  }
}

/** Reads two options that must be given together. */
function pair(
  first: string,
  a: string | undefined,
  second: string,
  b: string | undefined,
): [string, string] | undefined {
  if (a !== undefined && b !== undefined) return [a, b];
  if (a !== undefined || b !== undefined)
    throw new Error(
      `expected ${first} and ${second} together, found ${a === undefined ? second : first} alone: give both or neither`,
    );
  return undefined;
}

async function measure(options: Options): Promise<Measured> {
  const { cores, modelPath, grammarPath, rounds } = options;
  const scratch = await mkdtemp(join(tmpdir(), "selfracg-bench-"));
  const workspace = join(scratch, "tree");
  const common = { workspace, modelPath, grammarPath, threads: cores };
  try {
    await copyLargeTree(join(options.root, "node_modules"), workspace, files);
    let measured: Measured = {};
    if (options.parts.has("keystrokes")) {
      tell("keystrokes");
      measured = {
        ...measured,
        keystrokes: await inProcess<KeystrokeResult>(
          "keystrokes",
          { ...common, storagePath: join(scratch, "index"), documents: options.documents },
          { cores },
        ),
      };
    }
    if (options.parts.has("service")) {
      tell("embedding and cancellation");
      measured = { ...measured, service: await inProcess<ServiceResult>("service", { ...common, rounds }, { cores }) };
    }
    if (options.parts.has("drafting") && options.tasks !== undefined) {
      tell("drafting");
      measured = {
        ...measured,
        drafting: await inProcess<DraftingResult>(
          "drafting",
          { ...common, ...options.tasks, maxTasks: options.draftingTasks },
          { cores },
        ),
      };
    }
    if (options.parts.has("memory")) {
      tell(`an index of ${options.fragments} fragments`);
      const large = {
        ...common,
        target: join(scratch, "large"),
        storagePath: join(scratch, "large-index"),
        fragments: options.fragments,
      };
      await inProcess<number>("large-index", large, { cores });
      tell("the sidecar's memory");
      const memory = await sidecarMemory({
        sidecar: join(options.dist, "sidecar.js"),
        workspace: large.target,
        storagePath: large.storagePath,
        modelPath,
        threads: cores,
        completions: 16,
      });
      measured = {
        ...measured,
        memory: {
          ...memory,
          index: "variations of real files with random unit vectors, put in through the index's own store",
        },
      };
    }
    if (options.parts.has("rates")) measured = { ...measured, rates: await ratesBySize({ ...options, tell }) };
    return measured;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Files of the workspace. */
const files = 120;
function tell(what: string): void {
  process.stderr.write(`Measuring ${what}…\n`);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
