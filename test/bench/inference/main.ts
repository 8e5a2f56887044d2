// `npm run bench -- inference`: how fast the model answers on this machine, each figure beside its goal.
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { packagedLocations } from "../../../sidecar/host/locations";
import { measuredModel } from "../../eval/measured-model";
import { confinement, inProcess } from "../child";
import { copyLargeTree } from "../large-tree";
import { count, machineOn } from "../options";
import { percentile } from "../statistics";
import { type DraftingResult, draftingPhase } from "./drafting";
import { digits, type Figure, goalTable, met, table } from "./goals";
import { type Fresh, type KeystrokeResult, keystrokesPhase } from "./keystrokes";
import { type LlamaRates, llamaRates } from "./llama";
import { largeIndexPhase, type MemoryResult, sidecarMemory } from "./memory";
import { type Rates, ratesPhase } from "./rates";
import { type ServiceResult, servicePhase } from "./service";

/** What {@link inProcess} can be asked for. Each takes its options as JSON. */
export const inferencePhases = {
  keystrokes: (options: string) => keystrokesPhase(JSON.parse(options)),
  service: (options: string) => servicePhase(JSON.parse(options)),
  drafting: (options: string) => draftingPhase(JSON.parse(options)),
  rates: (options: string) => ratesPhase(JSON.parse(options)),
  "large-index": (options: string) => largeIndexPhase(JSON.parse(options)),
};

const parts = ["keystrokes", "service", "drafting", "memory", "rates"] as const;
type Part = (typeof parts)[number];

const help = `npm run bench -- inference [OPTIONS]
  --json FILE           write all figures to FILE
  --cores N             cores to measure on; default 2, or 1 where there is only one
  --model NAME|DIR      another model for the table by size, beside DIR.gguf where there is one; may be given several times
  --llama-bench PATH    llama.cpp's llama-bench, and
  --gguf FILE           the default model as GGUF: rates beside llama.cpp's
  --tasks FILE          tasks for drafting, and
  --repos FILE          the repositories they are from; default: ../shared/bench, Python, where it is
  --only PART           one of ${parts.join(", ")}; may be given several times
  --rounds N            rounds of what is compared; default 3
  --documents N         documents typed in; default 6
  --drafting-tasks N    tasks decoded; default 40
  --fragments N         fragments of the large index; default 50000
`;

/** Everything that was measured; a part left out is undefined. */
interface Measured {
  readonly keystrokes?: KeystrokeResult;
  readonly service?: ServiceResult;
  readonly drafting?: DraftingResult;
  readonly memory?: MemoryResult & { readonly index: string };
  /** One list of rounds for each size and number of cores. */
  readonly rates?: readonly SizedRates[];
}

interface SizedRates {
  readonly modelPath: string;
  readonly cores: number;
  readonly rounds: readonly Rates[];
  /** llama.cpp on the same weights, one for each round; none without its binary and a GGUF of this size. */
  readonly llama: readonly LlamaRates[];
}

interface Options {
  readonly cores: number;
  readonly rounds: number;
  readonly documents: number;
  readonly draftingTasks: number;
  readonly fragments: number;
  readonly parts: ReadonlySet<Part>;
  readonly modelPath: string;
  readonly grammarPath: string;
  readonly models: readonly string[];
  readonly llama: { readonly binary: string; readonly gguf: string } | undefined;
  readonly tasks: { readonly tasks: string; readonly repositories: string } | undefined;
  /** With the installed packages, whose sources are indexed. */
  readonly root: string;
  readonly dist: string;
}

/** @throws Error for an option that cannot be */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: "boolean" },
      json: { type: "string" },
      cores: { type: "string", default: `${Math.min(2, availableParallelism())}` },
      model: { type: "string", multiple: true, default: [] },
      "llama-bench": { type: "string" },
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
  const bench = resolve(root, "..", "shared", "bench");
  const found = { tasks: join(bench, "tasks_python.jsonl"), repositories: join(bench, "repos_python.jsonl.xz") };
  const given = pair("--tasks", values.tasks, "--repos", values.repos);
  const llama = pair("--llama-bench", values["llama-bench"], "--gguf", values.gguf);
  const wanted = values.only.map((name) => {
    const part = parts.find((each) => each === name);
    if (part === undefined)
      throw new Error(`--only: expected one of ${parts.join(", ")}, found ${JSON.stringify(name)}`);
    return part;
  });
  const { modelPath, modelFolders, grammarPath } = packagedLocations(dist);
  const options: Options = {
    cores: count("--cores", values.cores),
    rounds: count("--rounds", values.rounds),
    documents: count("--documents", values.documents),
    draftingTasks: count("--drafting-tasks", values["drafting-tasks"]),
    fragments: count("--fragments", values.fragments),
    parts: new Set(wanted.length === 0 ? parts : wanted),
    modelPath,
    grammarPath,
    models: values.model.map((wanted) => measuredModel(wanted, modelFolders)),
    llama: llama && { binary: resolve(llama[0]), gguf: resolve(llama[1]) },
    tasks: given
      ? { tasks: resolve(given[0]), repositories: resolve(given[1]) }
      : existsSync(found.tasks) && existsSync(found.repositories)
        ? found
        : undefined,
    root,
    dist,
  };
  const started = performance.now();
  const machine = machineOn(options.cores);
  const measured = await measure(options);
  const figures = figuresOf(measured, options);
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

/** Two options that make sense together only. */
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
          { ...common, ...options.tasks, most: options.draftingTasks },
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
    if (options.parts.has("rates")) measured = { ...measured, rates: await rates(options) };
    return measured;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Files of the workspace that is typed in. */
const files = 120;
/** Rounds of the sizes that nothing is compared with. */
const budgetMs = 20_000;

async function rates(options: Options): Promise<readonly SizedRates[]> {
  const sizes: SizedRates[] = [await ratesOf(options, options.modelPath, options.cores, options.rounds)];
  for (const path of [options.modelPath, ...options.models]) {
    for (const cores of new Set([1, options.cores]))
      if (path !== options.modelPath || cores !== options.cores) sizes.push(await ratesOf(options, path, cores, 1));
  }
  return sizes;
}

/** Rounds of one package, each with llama.cpp on the same weights right behind it. */
async function ratesOf(options: Options, modelPath: string, cores: number, rounds: number): Promise<SizedRates> {
  const found: { own: Rates[]; llama: LlamaRates[] } = { own: [], llama: [] };
  const beside = `${modelPath}.gguf`;
  const gguf = modelPath === options.modelPath ? options.llama?.gguf : existsSync(beside) ? beside : undefined;
  for (let round = 1; round <= rounds; round++) {
    tell(`rates of ${modelPath} on ${cores} ${cores === 1 ? "core" : "cores"}${rounds > 1 ? `, round ${round}` : ""}`);
    const own = await inProcess<Rates>("rates", { modelPath, threads: cores, budgetMs }, { cores });
    found.own.push(own);
    const keys = (record: Readonly<Record<number, number>>): number[] => Object.keys(record).map(Number);
    if (options.llama !== undefined && gguf !== undefined) {
      const asked = {
        binary: options.llama.binary,
        gguf,
        threads: cores,
        confined: confinement(cores),
        prompts: keys(own.prefillMs),
        pasts: keys(own.decodeMs),
      };
      found.llama.push(await llamaRates(asked));
    }
  }
  return { modelPath, cores, rounds: found.own, llama: found.llama };
}

function figuresOf({ keystrokes, service, drafting, memory, rates: sizes }: Measured, options: Options): Figure[] {
  const figures: Figure[] = [];
  const add = (
    name: string,
    value: number | undefined,
    unit: Figure["unit"],
    goal: Figure["goal"],
    note?: string,
  ): void => void figures.push({ name, value, unit, goal, ...(note !== undefined && { note }) });
  if (keystrokes !== undefined) {
    const { warm, cold, typing, background } = keystrokes;
    const about = `${warm.completions} keystrokes, ${warm.promptTokens} tokens of prompt, ${warm.generatedTokens} generated; fragments kept at ${percent(warm.keptShare)} of keystrokes`;
    add("warm keystroke, p50", warm.totalMs.p50, "ms", { atMost: 60 }, about);
    add("warm keystroke, p95", warm.totalMs.p95, "ms", { atMost: 120 });
    const fresh = (name: string, found: Fresh, goal: Figure["goal"]): void => {
      add(
        `fresh retrieval, ${name}, p50`,
        found.totalMs.p50,
        "ms",
        goal,
        `${found.completions} completions, ${found.promptTokens} tokens of prompt`,
      );
      add(
        `expression and search, ${name}`,
        100 * found.retrievalShare,
        "%",
        { atMost: 5 },
        `of a completion that reads its whole prompt: ${digits(found.expressMs)} and ${digits(found.searchMs)} ms, ${keystrokes.fragments} fragments`,
      );
    };
    fresh("document never read (cold)", cold, { atMost: 450 });
    fresh("query's beginning read before (typing)", typing, undefined);
    const wait = (share: keyof KeystrokeResult["background"]["idleMs"]): number =>
      background.busyMs[share] - background.idleMs[share];
    add(
      "wait for background embedding, p50",
      wait("p50"),
      "ms",
      { atMost: 50 },
      `${background.pairs} keystrokes with and without: ${digits(background.busyMs.p50)} and ${digits(background.idleMs.p50)} ms`,
    );
    add(
      "wait for background embedding, p95",
      wait("p95"),
      "ms",
      { atMost: 50 },
      `${digits(background.busyMs.p95)} and ${digits(background.idleMs.p95)} ms`,
    );
  }
  const { rounds: own, llama } = sizes?.[0] ?? { rounds: [], llama: [] };
  const name = llama[0]?.type ?? "llama.cpp";
  for (const tokens of Object.keys(own[0]?.prefillMs ?? {}).map(Number))
    ratio(
      `prefill ${tokens}`,
      3,
      (rate) => (1000 * tokens) / (rate.prefillMs[tokens] ?? Number.NaN),
      (rate) => rate.prefill[tokens],
    );
  for (const past of Object.keys(own[0]?.decodeMs ?? {}).map(Number))
    ratio(
      `decode behind ${past}`,
      1.3,
      (rate) => 1000 / (rate.decodeMs[past] ?? Number.NaN),
      (rate) => rate.decode[past],
    );
  function ratio(
    what: string,
    goal: number,
    ours: (rate: Rates) => number,
    theirs: (rate: LlamaRates) => number | undefined,
  ): void {
    const rate = percentile(own.map(ours), 0.5);
    if (llama.length === 0) {
      add(
        `${what}, over llama.cpp`,
        undefined,
        "times",
        { atLeast: goal },
        `${digits(rate)} tokens/s; give --llama-bench and --gguf`,
      );
      return;
    }
    const quotients = own.map((each, at) => ours(each) / ((llama[at] && theirs(llama[at])) ?? Number.NaN));
    add(
      `${what}, over llama.cpp`,
      percentile(quotients, 0.5),
      "times",
      { atLeast: goal },
      `${digits(rate)} and ${digits(
        percentile(
          llama.map((each) => theirs(each) ?? Number.NaN),
          0.5,
        ),
      )} tokens/s (${name})`,
    );
  }
  const [first] = own;
  if (first !== undefined) {
    const { inCache, cacheBytes, bytesRead, bytesPerToken } = first.bandwidth;
    const bandwidth = percentile(
      own.map((rate) => rate.bandwidth.bytesPerSecond),
      0.5,
    );
    const where = inCache
      ? `the weights fit in the last-level cache of ${megabytes(cacheBytes ?? 0)} MB: measured at their size`
      : `measured over ${megabytes(bytesRead)} MB`;
    add(
      "decode, of the bandwidth bound",
      percentile(
        own.map((rate) => rate.bandwidth.share),
        0.5,
      ),
      "of the bound",
      { atLeast: 0.6 },
      `${digits(bandwidth / 1e9)} GB/s, ${digits(bytesPerToken / 1e6)} MB a token; ${where}`,
    );
  }
  if (drafting !== undefined) {
    add(
      "drafting, tokens a run",
      drafting.tokensPerStep,
      "tokens a run",
      { atLeast: 1.8 },
      `${drafting.tasks} tasks with the right fragments, ${drafting.tokens} tokens, ${digits(drafting.speedUp)} times as fast as plain decoding`,
    );
    const plain = percentile(
      llama.map(({ decode }) => Object.values(decode)[0] ?? Number.NaN),
      0.5,
    );
    if (llama.length > 0)
      add(
        "tokens with drafting, over llama.cpp's decoding",
        drafting.tokensPerSecond / plain,
        "times",
        undefined,
        `${digits(drafting.tokensPerSecond)} and ${digits(plain)} tokens/s, what chooses and checks them included`,
      );
    add("drafting, texts unlike plain decoding's", drafting.differing, "texts", { atMost: 0 });
  } else if (options.parts.has("drafting"))
    add("drafting, tokens a run", undefined, "tokens a run", { atLeast: 1.8 }, "give --tasks and --repos");
  if (service !== undefined) {
    const { embedding, cancellation } = service;
    add(
      "embedding, of the raw forward rate",
      embedding.share,
      "of the raw rate",
      { atLeast: 0.85 },
      `${digits(embedding.perSecond)} and ${digits(embedding.rawPerSecond)} fragments/s of ${digits(embedding.meanTokens)} tokens, raw in batches of ${embedding.rawBatch}`,
    );
    add(
      "cancellation, longest",
      cancellation.longestMs,
      "ms",
      { atMost: 50 },
      `${cancellation.cancelled} reads of ${cancellation.promptTokens} tokens, median ${digits(cancellation.medianMs)} ms`,
    );
    add(
      "event loop held, longest",
      service.eventLoopMs,
      "ms",
      { atMost: 50 },
      "prompts, decoding and embedding under way",
    );
  }
  if (memory !== undefined) {
    const note =
      memory.peakMegabytes === undefined
        ? "only Linux says it"
        : `${memory.fragments} fragments (${memory.index}), ready after ${digits(memory.readyMs / 1000)} s`;
    add("peak memory of the sidecar", memory.peakMegabytes, "MB", { atMost: 400 }, note);
    add(
      "completion in the large index, p50",
      memory.totalMs.p50,
      "ms",
      undefined,
      `${memory.completions} documents never read; expression ${digits(memory.expressMs)}, search ${digits(memory.searchMs)} ms`,
    );
  }
  return figures;
}

/** Milliseconds by size and cores. */
function sizeTable(sizes: readonly SizedRates[]): string {
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
  const times = (
    { rounds, llama }: SizedRates,
    ours: (rate: Rates) => number | undefined,
    theirs: (rate: LlamaRates) => number | undefined,
  ): string => {
    const text = digits(
      percentile(
        rounds.map((rate, at) => 1000 / (ours(rate) ?? Number.NaN) / ((llama[at] && theirs(llama[at])) ?? Number.NaN)),
        0.5,
      ),
    );
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
      ...prompts.map((tokens) =>
        times(
          size,
          (rate) => (rate.prefillMs[tokens] ?? Number.NaN) / tokens,
          (rate) => rate.prefill[tokens],
        ),
      ),
      ...pasts.map((past) =>
        times(
          size,
          (rate) => rate.decodeMs[past],
          (rate) => rate.decode[past],
        ),
      ),
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

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

function megabytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0);
}

function tell(what: string): void {
  process.stderr.write(`Measuring ${what}…\n`);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
