// `npm run bench -- index`: how fast the workspace index is built, updated and searched, with a goal for each figure.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { packagedLocations } from "../../../sidecar/host/locations";
import { measuredModel } from "../../eval/measured-model";
import { inProcess } from "../child";
import { digits, type Figure, goalTable, met, table } from "../inference/goals";
import { copyLargeTree } from "../large-tree";
import { count, machineOn } from "../options";
import { type EmbeddingResult, embeddingPhase } from "./embedding";
import { type GrowthResult, type GrowthRun, growthPhase, measureGrowth } from "./growth";
import { type SearchResult, searchPhase, type Vectors, vectorsPhase } from "./search";
import { restarts, type UpkeepResult, upkeepPhase } from "./upkeep";

/** The phases that run in their own process, with options as JSON. */
export const indexPhases = {
  "index-embedding": (options: string) => embeddingPhase(JSON.parse(options)),
  "index-upkeep": (options: string) => upkeepPhase(JSON.parse(options)),
  "index-vectors": (options: string) => vectorsPhase(JSON.parse(options)),
  "index-search": (options: string) => searchPhase(JSON.parse(options)),
  "index-growth": (options: string) => growthPhase(JSON.parse(options)),
};

const parts = ["embedding", "upkeep", "search", "growth"] as const;
type Part = (typeof parts)[number];

const help = `npm run bench -- index [OPTIONS]
  --json FILE           write all figures to FILE
  --model NAME|DIR      model of the list, or folder of a package; default: small, the one that ships
  --cores N             cores to measure on; default 2, or 1 where there is only one
  --only PART           one of ${parts.join(", ")}; may be given several times
  --rounds N            rounds of embedding beside the bare graph; default 3
  --tree-files N        real files that are embedded, and varied elsewhere; default 120
  --files N             files of the workspace that is updated; default 10000
  --search-sizes LIST   fragments searched; default 1000,10000,50000,100000
  --vectors N           vectors computed by the model, the others are mixtures of these; default 6000
  --dimension N         random vectors of this dimension instead
  --growth-files LIST   files of the growing trees; default 1000,3000,10000; 100000 takes ten minutes
`;

interface Measured {
  readonly embedding?: EmbeddingResult;
  readonly upkeep?: UpkeepResult;
  readonly search?: readonly SearchResult[];
  readonly growth?: readonly GrowthResult[];
}

interface Options {
  readonly modelPath: string;
  readonly cores: number;
  readonly rounds: number;
  readonly treeFiles: number;
  readonly files: number;
  readonly searchSizes: readonly number[];
  readonly vectors: number;
  readonly dimension: number | undefined;
  readonly growthFiles: readonly number[];
  readonly parts: ReadonlySet<Part>;
}

/** @throws Error for an invalid option */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: "boolean" },
      json: { type: "string" },
      model: { type: "string" },
      cores: { type: "string", default: `${Math.min(2, availableParallelism())}` },
      only: { type: "string", multiple: true, default: [] },
      rounds: { type: "string", default: "3" },
      "tree-files": { type: "string", default: "120" },
      files: { type: "string", default: "10000" },
      "search-sizes": { type: "string", default: "1000,10000,50000,100000" },
      vectors: { type: "string", default: "6000" },
      dimension: { type: "string" },
      "growth-files": { type: "string", default: "1000,3000,10000" },
    },
  });
  if (values.help === true) return void process.stdout.write(help);
  const wanted = values.only.map((name) => {
    const part = parts.find((each) => each === name);
    if (part === undefined)
      throw new Error(`--only: expected one of ${parts.join(", ")}, found ${JSON.stringify(name)}`);
    return part;
  });
  const counts = (option: string, text: string): number[] => text.split(",").map((each) => count(option, each));
  const options: Options = {
    modelPath: measuredModel(values.model, packagedLocations(dirname(__filename)).modelFolders),
    cores: count("--cores", values.cores),
    rounds: count("--rounds", values.rounds),
    treeFiles: count("--tree-files", values["tree-files"]),
    files: count("--files", values.files),
    searchSizes: counts("--search-sizes", values["search-sizes"]),
    vectors: count("--vectors", values.vectors),
    dimension: values.dimension === undefined ? undefined : count("--dimension", values.dimension),
    growthFiles: counts("--growth-files", values["growth-files"]),
    parts: new Set(wanted.length === 0 ? parts : wanted),
  };
  const started = performance.now();
  const machine = machineOn(options.cores);
  const measured = await measure(options);
  const figures = figuresOf(measured);
  const seconds = (performance.now() - started) / 1000;
  print(
    `\n${machine.cpu}, ${options.cores} of ${machine.cores} cores${machine.confined ? "" : " (by threads: there is no taskset)"}, Node ${machine.node}\n`,
  );
  print(goalTable(figures));
  if (measured.search !== undefined) print(`\n${searchTable(measured.search)}`);
  if (measured.growth !== undefined) print(`\n${growthTable(measured.growth)}`);
  print(
    `\n${seconds.toFixed(0)} s. "embedding" runs the model. "upkeep" and "growth" read, cut and store variations of real files, with random unit\n` +
      "vectors in the place of the model's, put in through the index's own store. Searches are timed in five rounds, of which each query's best counts.",
  );
  if (values.json !== undefined) {
    const content = { machine, seconds, figures: figures.map((figure) => ({ ...figure, met: met(figure) })), measured };
    await writeFile(values.json, `${JSON.stringify(content, undefined, 2)}\n`);
  }
}

async function measure(options: Options): Promise<Measured> {
  const { modelPath, cores, rounds } = options;
  const dist = dirname(__filename);
  const { grammarPath } = packagedLocations(dist);
  const scratch = await mkdtemp(join(tmpdir(), "selfracg-bench-"));
  const originals = join(scratch, "tree");
  const common = { modelPath, grammarPath, threads: cores };
  const modules = join(dirname(dist), "node_modules");
  try {
    await copyLargeTree(modules, originals, options.treeFiles);
    let measured: Measured = {};
    if (options.parts.has("upkeep")) {
      tell(`a workspace of ${options.files} files`);
      const upkeep = {
        ...common,
        originals,
        workspace: join(scratch, "many"),
        storagePath: join(scratch, "many-index"),
        files: options.files,
      };
      measured = { ...measured, upkeep: await inProcess<UpkeepResult>("index-upkeep", upkeep, { cores }) };
    }
    if (options.parts.has("search")) {
      tell(`${options.vectors} vectors to search`);
      const many = join(scratch, "many-sources");
      await copyLargeTree(modules, many, Math.ceil(options.vectors / 4));
      const vectors = await inProcess<Vectors>(
        "index-vectors",
        {
          ...common,
          workspace: many,
          fragments: options.vectors,
          target: join(scratch, "vectors"),
          dimension: options.dimension,
        },
        { cores },
      );
      const search: SearchResult[] = [];
      for (const fragments of options.searchSizes) {
        for (const kind of ["chosen", "faiss", "flat"] as const) {
          tell(`a search in ${fragments} fragments: ${kind}`);
          search.push(await inProcess<SearchResult>("index-search", { vectors, fragments, kind }, { cores }));
        }
      }
      measured = { ...measured, search };
    }
    if (options.parts.has("growth")) {
      const growth: GrowthResult[] = [];
      for (const files of options.growthFiles) {
        tell(`a tree of ${files} files`);
        growth.push(await measureGrowth({ ...common, originals, files }, join(scratch, `growth-${files}`), cores));
      }
      measured = { ...measured, growth };
    }
    // Last, because it changes files that the other parts copy.
    if (options.parts.has("embedding")) {
      tell("indexing with the model");
      measured = {
        ...measured,
        embedding: await inProcess<EmbeddingResult>(
          "index-embedding",
          { ...common, workspace: originals, storagePath: join(scratch, "index"), rounds },
          { cores },
        ),
      };
    }
    return measured;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function figuresOf({ embedding, upkeep, search, growth }: Measured): Figure[] {
  const figures: Figure[] = [];
  const add = (
    name: string,
    value: number | undefined,
    unit: Figure["unit"],
    goal: Figure["goal"],
    note?: string,
  ): void => void figures.push({ name, value, unit, goal, ...(note !== undefined && { note }) });
  if (embedding !== undefined) {
    add(
      "indexing, of the raw forward rate",
      embedding.share,
      "of the raw rate",
      { atLeast: 0.85 },
      `${digits(embedding.perSecond)} and ${digits(embedding.rawPerSecond)} fragments/s, ${embedding.fragments} fragments of ${embedding.files} files, raw in batches of ${embedding.rawBatch}`,
    );
    add(
      "completion while indexing, over idle",
      embedding.slowdown,
      "times",
      { atMost: 1.5 },
      `medians of rounds in turns, ${digits(embedding.busyMs)} and ${digits(embedding.idleMs)} ms, ${embedding.completions} completions each`,
    );
    add(
      "a saved file is searchable after",
      embedding.savedMs,
      "ms",
      { atMost: 900 },
      `longest of ${embedding.saves}, with the model, every fragment new; 0.1 s of gathering changes comes on top`,
    );
  }
  if (upkeep !== undefined) {
    const { branch, formatter } = upkeep;
    add(
      "files walked, cut and stored",
      upkeep.filesPerSecond,
      "files/s",
      undefined,
      `${upkeep.files} files, ${upkeep.fragments} fragments`,
    );
    add("disk a fragment", upkeep.bytesPerFragmentOnDisk, "bytes", undefined, "vector, text, place and key");
    add(
      "restart, ready after",
      upkeep.restartMs,
      "ms",
      { atMost: 2000 },
      `${upkeep.files} files, ${upkeep.fragments} fragments, nothing changed; best of ${restarts}, ${digits(upkeep.restartCpuMs / 1000)} s of processor time, tokenizer and grammars loaded too`,
    );
    add("restart, embedded", upkeep.restartEmbedded, "fragments", { atMost: 0 });
    add("one file changed, searchable after", upkeep.updateMs, "ms", { atMost: 900 }, "p95, without the model");
    add(
      "branch switch, embedded",
      branch.embedded,
      "fragments",
      undefined,
      `${branch.changed} files changed at their top, ${digits(branch.ms / 1000)} s`,
    );
    add(
      "branch switch back, embedded",
      branch.backEmbedded,
      "fragments",
      { atMost: 0 },
      `${digits(branch.backMs / 1000)} s`,
    );
    add("texts embedded a second time in all this", upkeep.embeddedAgain, "fragments", { atMost: 0 });
    add(
      "formatter, seconds",
      formatter.ms / 1000,
      "s",
      undefined,
      `${formatter.changed} files touched, ${formatter.embedded} fragments new`,
    );
  }
  for (const { fragments, p99, recall, kind, real } of (search ?? []).filter(
    (_, at, all) => all.findIndex((each) => each.fragments === all[at]?.fragments) === at,
  )) {
    const goal = fragments <= 50_000 ? 2 : 5;
    add(
      `search in ${fragments}, p99`,
      p99,
      "ms",
      { atMost: goal },
      `${kind}; ${real} vectors of the model${real < fragments ? ", the others mixtures of them" : ""}`,
    );
    add(`search in ${fragments}, recall@10`, recall, "of the exact", { atLeast: 0.98 });
  }
  const [smallest, largest] = [growth?.[0], growth?.at(-1)];
  if (smallest !== undefined && largest !== undefined && smallest !== largest) {
    const grown = (run: "first" | "restart"): number =>
      largest[run].ms / largest[run].files / (smallest[run].ms / smallest[run].files);
    const sizes = `time a file, ${largest.first.files} files over ${smallest.first.files}`;
    add(`first run, ${sizes}`, grown("first"), "times", { atMost: 1.5 }, "1: linear");
    add(`restart, ${sizes}`, grown("restart"), "times", { atMost: 1.5 }, "1: linear");
  }
  return figures;
}

function searchTable(results: readonly SearchResult[]): string {
  const header = ["fragments", "index", "p50 ms", "p99 ms", "recall@10", "add ms", "remove ms", "bytes a fragment"];
  return table(
    header,
    results.map(({ fragments, kind, p50, p99, recall, addMs, removeMs, bytesPerFragment }) => [
      `${fragments}`,
      kind,
      p50.toFixed(2),
      p99.toFixed(2),
      recall.toFixed(3),
      addMs.toFixed(3),
      removeMs.toFixed(3),
      fragments < 50_000 ? "" : bytesPerFragment.toFixed(0),
    ]),
  );
}

function growthTable(results: readonly GrowthResult[]): string {
  const header = [
    "files",
    "fragments",
    "first run s",
    "CPU s",
    "ms a file",
    "peak MB",
    "restart s",
    "CPU s",
    "ms a file",
    "peak MB",
    "embedded",
    "store MB",
    "bytes a fragment",
  ];
  const cells = ({ files, ms, cpuMs, peakMegabytes }: GrowthRun): string[] => [
    (ms / 1000).toFixed(2),
    (cpuMs / 1000).toFixed(2),
    (ms / files).toFixed(2),
    peakMegabytes.toFixed(0),
  ];
  return table(
    header,
    results.map(({ first, restart }) => [
      `${first.files}`,
      `${first.fragments}`,
      ...cells(first),
      ...cells(restart),
      `${restart.embedded}`,
      (first.storeBytes / 1e6).toFixed(1),
      (first.storeBytes / first.fragments).toFixed(0),
    ]),
  );
}

function tell(what: string): void {
  process.stderr.write(`Measuring ${what}…\n`);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
