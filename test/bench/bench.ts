// `npm run bench`: indexing, start-up, completion and memory on the fixture and on a larger real tree, printed as tables.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { packagedLocations } from "../../sidecar/server/locations";
import { inProcess } from "./child";
import { main as confidence } from "./confidence";
import { main as debounce } from "./debounce";
import { main as index, indexPhases } from "./index/main";
import { main as inference, inferencePhases } from "./inference/main";
import { main as keeping } from "./keeping";
import { count } from "./options";
import {
  type CompleteResult,
  completePhase,
  type IndexResult,
  indexPhase,
  type PhaseOptions,
  type Spread,
  type StartResult,
  startPhase,
} from "./phases";
import { main as ranking } from "./ranking/main";
import { main as syntax } from "./syntax";
import { main as typing } from "./typing/main";

/** Takes its options as JSON. */
const phases: Readonly<Record<string, (options: string) => Promise<unknown>>> = {
  index: (options) => indexPhase(JSON.parse(options)),
  start: (options) => startPhase(JSON.parse(options)),
  complete: (options) => completePhase(JSON.parse(options)),
  ...inferencePhases,
  ...indexPhases,
};

const help = `npm run bench [-- OPTIONS]
  inference ...     how fast the model runs, against the goals; "inference --help" for its options
  debounce          how long to wait for the next keystroke, by simulated typists
  keeping ...       what fragments kept over keystrokes cost and gain; "keeping --help" for its options
  confidence ...    how sure suggestions are, fitted and checked; "confidence --help" for its options
  syntax ...        what the syntax tree costs a keystroke; "syntax --help" for its options
  ranking ...       what raising fragments of imported and lately edited files does to their rank; "ranking --help" for its options
  index ...         how fast the workspace is indexed, kept up and searched; "index --help" for its options
  typing ...        what suggestions save as edits of a git history are typed again; "typing --help" for its options
  --workspace DIR   measure this folder instead of the fixture and the larger tree
  --files N         files of the larger tree; default 120
  --completions N   completions timed on each; default 60
  --model DIR       model package; default: the one that ships
  --json FILE       write all numbers to FILE
`;

interface Measured {
  readonly name: string;
  readonly index: IndexResult;
  readonly start: StartResult;
  readonly complete: CompleteResult;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      help: { type: "boolean" },
      workspace: { type: "string" },
      files: { type: "string", default: "120" },
      completions: { type: "string", default: "60" },
      model: { type: "string" },
      json: { type: "string" },
    },
  });
  if (values.help === true) return void process.stdout.write(help);
  const root = dirname(__dirname);
  const { modelPath, grammarPath } = packagedLocations(__dirname);
  const model = resolve(values.model ?? process.env["SELFRACG_MODEL"] ?? modelPath);
  const completions = count("--completions", values.completions);
  const scratch = await mkdtemp(join(tmpdir(), "selfracg-bench-"));
  try {
    const workspaces: [name: string, folder: string][] = [];
    if (values.workspace !== undefined) workspaces.push([values.workspace, resolve(values.workspace)]);
    else {
      const { copyLargeTree } = await import("./large-tree");
      const large = join(scratch, "large");
      const copied = await copyLargeTree(join(root, "node_modules"), large, count("--files", values.files));
      workspaces.push(
        ["test/fixtures/workspace", join(root, "test", "fixtures", "workspace")],
        [`${copied} files of node_modules`, large],
      );
    }
    const measured: Measured[] = [];
    for (const [name, workspace] of workspaces) {
      const options: PhaseOptions = {
        workspace,
        storagePath: join(scratch, `index-${measured.length}`),
        modelPath: model,
        grammarPath,
        completions,
      };
      process.stderr.write(`Measuring ${name}: indexing…\n`);
      const index = await inProcess<IndexResult>("index", options);
      process.stderr.write(`Measuring ${name}: start…\n`);
      const start = await inProcess<StartResult>("start", options);
      process.stderr.write(`Measuring ${name}: completions…\n`);
      const complete = await inProcess<CompleteResult>("complete", options);
      measured.push({ name, index, start, complete });
      print(report({ name, index, start, complete }));
    }
    print(
      "References are products of two 512 x 512 float32 matrices in ONNX Runtime with the model's threads, timed in the same\n" +
        "process beside what they are compared with: ratios to them carry over to other machines and busy moments, milliseconds do not.",
    );
    if (values.json !== undefined) {
      const machine = { cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length, node: process.version };
      await writeFile(values.json, `${JSON.stringify({ machine, model, measured }, undefined, 2)}\n`);
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

function report({ name, index, start, complete }: Measured): string {
  const { counts } = index;
  const { timings, crossFile } = complete;
  const ms = ({ p50, p95 }: Spread) => `${p50.toFixed(1).padStart(8)} ${p95.toFixed(1).padStart(8)}`;
  const of = (part: number, whole: number) =>
    `${part}/${whole} (${whole === 0 ? "-" : ((100 * part) / whole).toFixed(0)} %)`;
  const { withRetrieval: yes, withoutRetrieval: no } = crossFile;
  return [
    "",
    name,
    "-".repeat(name.length),
    `${complete.model}, on ${complete.provider}`,
    `files ${counts.files}, fragments ${counts.fragments}, store ${(counts.storeBytes / 1024).toFixed(0)} kB, vector index ${index.vectorIndex.name}`,
    `indexing      ${index.fragmentsPerSecond.toFixed(1)} fragments/s (${(index.indexMs / 1000).toFixed(1)} s), ${index.fragmentsPerReference.toFixed(3)} a reference, peak ${index.peakMegabytes.toFixed(0)} MB`,
    `warm start    ${start.readyMs.toFixed(0)} ms (model ${start.modelMs.toFixed(0)}, index ${start.indexMs.toFixed(0)}), ${start.processMs.toFixed(0)} ms from the process's start, ${start.embedded} embedded, peak ${start.peakMegabytes.toFixed(0)} MB`,
    `completion, ms          p50      p95   (${complete.completions} completions, ${(100 * complete.suggested).toFixed(0)} % with a suggestion, peak ${complete.peakMegabytes.toFixed(0)} MB)`,
    `  total            ${ms(timings.totalMs)}   ${complete.completionReferences.toFixed(1)} references`,
    `    express        ${ms(timings.expressMs)}`,
    `    search         ${ms(timings.searchMs)}`,
    `    select         ${ms(timings.selectMs)}`,
    `    prefill        ${ms(timings.prefillMs)}`,
    `    decode         ${ms(timings.decodeMs)}`,
    `    filters        ${ms(timings.filterMs)}`,
    `  no retrieval     ${ms(complete.withoutRetrieval)}`,
    `  prompt tokens    ${ms(complete.promptTokens)}`,
    `  generated tokens ${ms(complete.generatedTokens)}`,
    `  reference        ${complete.referenceMs.toFixed(2).padStart(8)}`,
    `names defined in another file   retrieval           none`,
    `  rest of the line equal        ${of(yes.exact, yes.cursors).padEnd(19)} ${of(no.exact, no.cursors)}`,
    `  name right                    ${of(yes.named, yes.cursors).padEnd(19)} ${of(no.named, no.cursors)}`,
    `  edit similarity               ${yes.similarity.toFixed(3).padEnd(19)} ${no.similarity.toFixed(3)}`,
    `  something suggested           ${of(yes.suggested, yes.cursors).padEnd(19)} ${of(no.suggested, no.cursors)}`,
  ].join("\n");
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

const [first, phase, options] = process.argv.slice(2);

/** Does one phase and sends its result to the process that started this one. */
async function child(name: string, given: string): Promise<void> {
  const work = phases[name];
  if (work === undefined)
    throw new Error(`expected a phase among ${Object.keys(phases).join(", ")}, found ${JSON.stringify(name)}`);
  process.send?.(await work(given));
}

const commands: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  inference,
  index,
  keeping,
  confidence,
  syntax,
  debounce,
  typing,
  ranking,
};
const command = commands[first ?? ""];
const work =
  first === "--phase"
    ? child(phase ?? "", options ?? "")
    : command === undefined
      ? main()
      : command(process.argv.slice(3));
work.catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
