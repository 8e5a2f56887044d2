// `npm run bench -- index`: how fast the workspace index is built, updated and searched, with a goal for each figure.
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { packagedLocations } from "../../../sidecar/host/locations";
import { readManifest } from "../../../sidecar/inference/package/model-manifest";
import { measuredModel } from "../../eval/measured-model";
import { inProcess } from "../child";
import { chosenParts, commonOptions, count, type Measurement, measureAndPrint, tell } from "../command";
import { digits, type Figure, figure, table } from "../goals";
import { copyLargeTree } from "../large-tree";
import { type EmbeddingResult, embeddingPhase } from "./embedding";
import { indexKinds, type SearchResult, searchPhase } from "./search";
import { restarts, type UpkeepResult, upkeepPhase } from "./upkeep";

/** The phases that run in their own process, with options as JSON. */
export const indexPhases = {
  "index-embedding": (options: string) => embeddingPhase(JSON.parse(options)),
  "index-upkeep": (options: string) => upkeepPhase(JSON.parse(options)),
  "index-search": (options: string) => searchPhase(JSON.parse(options)),
};

const parts = ["embedding", "upkeep", "search"] as const;

const help = `npm run bench -- index [OPTIONS]
  --json FILE           write all figures to FILE
  --model NAME|DIR      model of the list, or folder of a package; default: small, the one that ships
  --cores N             cores to measure on; default 2, or 1 where there is only one
  --only PART           one of ${parts.join(", ")}; may be given several times
  --rounds N            rounds of indexing with the model; default 3
  --tree-files N        real files that are embedded, and varied elsewhere; default 120
  --files N             files of the workspace that is updated; default 10000
  --search-sizes LIST   fragments searched; default 1000,10000,50000,100000
  --dimension N         dimension of the vectors searched; default: the model's
`;

interface Options {
  readonly modelPath: string;
  readonly cores: number;
  readonly rounds: number;
  readonly treeFiles: number;
  readonly files: number;
  readonly searchSizes: readonly number[];
  readonly dimension: number;
  readonly parts: ReadonlySet<(typeof parts)[number]>;
}

/** @throws Error for an invalid option */
export async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ...commonOptions,
      model: { type: "string" },
      "tree-files": { type: "string", default: "120" },
      files: { type: "string", default: "10000" },
      "search-sizes": { type: "string", default: "1000,10000,50000,100000" },
      dimension: { type: "string" },
    },
  });
  if (values.help === true) return void process.stdout.write(help);
  const modelPath = measuredModel(values.model, packagedLocations(dirname(__filename)).modelFolders);
  const options: Options = {
    modelPath,
    cores: count("--cores", values.cores),
    rounds: count("--rounds", values.rounds),
    treeFiles: count("--tree-files", values["tree-files"]),
    files: count("--files", values.files),
    searchSizes: values["search-sizes"].split(",").map((each) => count("--search-sizes", each)),
    dimension:
      values.dimension === undefined
        ? (await readManifest(modelPath)).retrieval.dimension
        : count("--dimension", values.dimension),
    parts: chosenParts(parts, values.only),
  };
  await measureAndPrint({ cores: options.cores, json: values.json }, (scratch) => measure(options, scratch));
}

async function measure(options: Options, scratch: string): Promise<Measurement> {
  const { modelPath, cores, rounds, files, dimension } = options;
  const dist = dirname(__filename);
  const { grammarPath } = packagedLocations(dist);
  const originals = join(scratch, "tree");
  const common = { modelPath, grammarPath, threads: cores };
  await copyLargeTree(join(dirname(dist), "node_modules"), originals, options.treeFiles);
  let upkeep: UpkeepResult | undefined;
  if (options.parts.has("upkeep")) {
    tell(`a workspace of ${files} files`);
    const many = { originals, workspace: join(scratch, "many"), storagePath: join(scratch, "many-index"), files };
    upkeep = await inProcess<UpkeepResult>("index-upkeep", { ...common, ...many }, { cores });
  }
  const search: SearchResult[] = [];
  for (const fragments of options.parts.has("search") ? options.searchSizes : []) {
    for (const kind of indexKinds) {
      tell(`a search in ${fragments} fragments: ${kind}`);
      search.push(await inProcess<SearchResult>("index-search", { dimension, fragments, kind }, { cores }));
    }
  }
  // Last, because it changes files that the other parts copy.
  let embedding: EmbeddingResult | undefined;
  if (options.parts.has("embedding")) {
    tell("indexing with the model");
    const embedded = { workspace: originals, storagePath: join(scratch, "index"), rounds };
    embedding = await inProcess<EmbeddingResult>("index-embedding", { ...common, ...embedded }, { cores });
  }
  return {
    figures: [
      ...(embedding === undefined ? [] : embeddingFigures(embedding)),
      ...(upkeep === undefined ? [] : upkeepFigures(upkeep)),
      ...searchFigures(search),
    ],
    tables: search.length === 0 ? [] : [searchTable(search)],
    measured: { embedding, upkeep, search },
    note:
      '"embedding" runs the model. "upkeep" reads, cuts and stores variations of real files, with random unit vectors in the place of\n' +
      "the model's. Searches are of random unit vectors, timed in five rounds, of which each query's best counts.",
  };
}

function embeddingFigures(embedding: EmbeddingResult): Figure[] {
  const { files, fragments, perSecond, slowdown, busyMs, idleMs, completions, savedMs, saves } = embedding;
  const about = `${fragments} fragments of ${files} files, from listing the files to the index on disk`;
  const rounds = `medians of rounds in turns, ${digits(busyMs)} and ${digits(idleMs)} ms, ${completions} completions each`;
  const saved = `longest of ${saves}, with the model, every fragment new; 0.1 s of gathering changes comes on top`;
  return [
    figure("fragments indexed a second", perSecond, "fragments/s", about),
    figure("completion while indexing, over idle", slowdown, "times", rounds, { atMost: 1.5 }),
    figure("a saved file is searchable after", savedMs, "ms", saved, { atMost: 900 }),
  ];
}

function upkeepFigures(upkeep: UpkeepResult): Figure[] {
  const { branch, formatter, restartMs, restartCpuMs, updateMs } = upkeep;
  const size = `${upkeep.files} files, ${upkeep.fragments} fragments`;
  const restart = `${size}, nothing changed; best of ${restarts}, ${digits(restartCpuMs / 1000)} s of processor time, tokenizer and grammars loaded too`;
  const switched = `${branch.changed} files changed at their top, ${digits(branch.ms / 1000)} s`;
  const formatted = `${formatter.changed} files touched, ${formatter.embedded} fragments new`;
  const none = { atMost: 0 };
  return [
    figure("files walked, cut and stored", upkeep.filesPerSecond, "files/s", size),
    figure("disk a fragment", upkeep.bytesPerFragmentOnDisk, "bytes", "vector, text, place and key"),
    figure("restart, ready after", restartMs, "ms", restart, { atMost: 2000 }),
    figure("restart, embedded", upkeep.restartEmbedded, "fragments", "", none),
    figure("one file changed, searchable after", updateMs, "ms", "p95, without the model", { atMost: 900 }),
    figure("branch switch, embedded", branch.embedded, "fragments", switched),
    figure("branch switch back, embedded", branch.backEmbedded, "fragments", `${digits(branch.backMs / 1000)} s`, none),
    figure("texts embedded a second time in all this", upkeep.embeddedAgain, "fragments", "", none),
    figure("formatter, seconds", formatter.ms / 1000, "s", formatted),
  ];
}

/** The searches of the index that the product chooses. */
function searchFigures(results: readonly SearchResult[]): Figure[] {
  return results
    .filter((_, at) => at % indexKinds.length === indexKinds.indexOf("chosen"))
    .map(({ fragments, dimension, p95, kind }) => {
      const goal = { atMost: fragments <= 50_000 ? 2 : 5 };
      return figure(`search in ${fragments}, p95`, p95, "ms", `${kind}, dimension ${dimension}`, goal);
    });
}

function searchTable(results: readonly SearchResult[]): string {
  return table(
    ["fragments", "index", "p50 ms", "p95 ms", "add ms", "remove ms", "bytes a fragment"],
    results.map(({ fragments, kind, p50, p95, addMs, removeMs, bytesPerFragment }) => [
      `${fragments}`,
      kind,
      p50.toFixed(2),
      p95.toFixed(2),
      addMs.toFixed(3),
      removeMs.toFixed(3),
      fragments < 50_000 ? "" : bytesPerFragment.toFixed(0),
    ]),
  );
}
