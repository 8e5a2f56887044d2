// Shared parts of the benchmarks' commands: options, the scratch folder, and what is printed of a measurement.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { confinement } from "./child";
import { type Figure, goalTable, met } from "./goals";

const none: string[] = [];

/** Options for `parseArgs` of commands that measure several parts. */
export const commonOptions = {
  help: { type: "boolean" },
  json: { type: "string" },
  cores: { type: "string", default: `${Math.min(2, availableParallelism())}` },
  only: { type: "string", multiple: true, default: none },
  rounds: { type: "string", default: "3" },
} as const;

/** @throws Error when the text is not a whole number above 0 */
export function count(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`${option}: expected a whole number above 0, found ${JSON.stringify(text)}`);
  return value;
}

/** The parts that `--only` names; all when it names none. @throws Error for another name */
export function chosenParts<Part extends string>(parts: readonly Part[], only: readonly string[]): ReadonlySet<Part> {
  const wanted = only.map((name) => {
    const part = parts.find((each) => each === name);
    if (part === undefined)
      throw new Error(`--only: expected one of ${parts.join(", ")}, found ${JSON.stringify(name)}`);
    return part;
  });
  return new Set(wanted.length === 0 ? parts : wanted);
}

/** The machine, and whether the measurement is confined to `cores` of its cores. */
export function machineOn(cores: number) {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: availableParallelism(),
    measuredOn: cores,
    confined: confinement(cores) !== undefined,
    memoryMegabytes: Math.round(totalmem() / 2 ** 20),
    node: process.version,
  };
}

/** Runs `work` with a temporary folder, which is deleted afterwards. */
export async function withScratch<Result>(work: (folder: string) => Promise<Result>): Promise<Result> {
  const folder = await mkdtemp(join(tmpdir(), "selfracg-bench-"));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

export interface Measurement {
  readonly figures: readonly Figure[];
  readonly tables: readonly string[];
  /** Everything that was measured, for the JSON file. */
  readonly measured: object;
  /** What a reader must know about the figures. */
  readonly note: string;
}

/** Measures in a scratch folder, prints the figures and tables, and writes them to the file `json`. */
export async function measureAndPrint(
  { cores, json }: { readonly cores: number; readonly json: string | undefined },
  measure: (scratch: string) => Promise<Measurement>,
): Promise<void> {
  const started = performance.now();
  const machine = machineOn(cores);
  const { figures, tables, measured, note } = await withScratch(measure);
  const seconds = (performance.now() - started) / 1000;
  print(
    `\n${machine.cpu}, ${cores} of ${machine.cores} cores${machine.confined ? "" : " (by threads: there is no taskset)"}, Node ${machine.node}\n`,
  );
  print(goalTable(figures));
  for (const text of tables) print(`\n${text}`);
  print(`\n${seconds.toFixed(0)} s. ${note}`);
  if (json === undefined) return;
  const content = { machine, seconds, figures: figures.map((figure) => ({ ...figure, met: met(figure) })), measured };
  await writeFile(json, `${JSON.stringify(content, undefined, 2)}\n`);
}

export function tell(what: string): void {
  process.stderr.write(`Measuring ${what}…\n`);
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
