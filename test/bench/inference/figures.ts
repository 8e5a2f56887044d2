// Computes the figures and their goals from the measurements.
import { digits, type Figure, figure } from "../goals";
import { medianOf, percentile } from "../statistics";
import type { CancellationResult } from "./cancellation";
import type { DraftingResult } from "./drafting";
import type { KeystrokeResult } from "./keystrokes";
import type { LlamaRates } from "./llama";
import type { MemoryResult } from "./memory";
import type { Pace } from "./pace";
import type { Rates } from "./rates";
import { type ComparedRates, speedUps } from "./rounds";

/** All measurements; undefined for a part that was not run. */
export interface Measured {
  readonly keystrokes?: KeystrokeResult;
  readonly cancellation?: CancellationResult;
  readonly drafting?: DraftingResult;
  readonly memory?: MemoryResult;
  /** For each model, the first one first. */
  readonly rates?: readonly ComparedRates[];
}

/** @param draftingAsked whether drafting was requested, even when there are no tasks for it */
export function figuresOf(measured: Measured, draftingAsked: boolean): Figure[] {
  const { keystrokes, cancellation, drafting, memory, rates } = measured;
  const [first] = rates ?? [];
  return [
    ...(keystrokes === undefined ? [] : keystrokeFigures(keystrokes)),
    ...(first === undefined ? [] : rateFigures(first)),
    ...draftingFigures(drafting, draftingAsked, first?.llama ?? []),
    ...(cancellation === undefined ? [] : cancellationFigures(cancellation)),
    ...(memory === undefined ? [] : memoryFigures(memory)),
  ];
}

function keystrokeFigures({ fragments, warm, reusedShare, cold }: KeystrokeResult): Figure[] {
  const keys = `${warm.completions} keystrokes, ${warm.promptTokens} tokens of prompt, ${warm.generatedTokens} generated; fragments reused at ${(100 * reusedShare).toFixed(0)} % of keystrokes`;
  const documents = `${cold.completions} completions, ${cold.promptTokens} tokens of prompt`;
  const share = `of such a completion: ${digits(cold.expressMs)} and ${digits(cold.searchMs)} ms, ${fragments} fragments`;
  return [
    figure("warm keystroke, p50", warm.totalMs.p50, "ms", keys, { atMost: 60 }),
    figure("warm keystroke, p95", warm.totalMs.p95, "ms", "", { atMost: 120 }),
    figure("document never read (cold), p50", cold.totalMs.p50, "ms", documents, { atMost: 450 }),
    figure("expression and search, cold", 100 * cold.retrievalShare, "%", share, { atMost: 5 }),
  ];
}

/** Prefill and decoding of a model compared with llama.cpp and the machine's bandwidth. */
export function rateFigures(compared: ComparedRates): Figure[] {
  const { rounds, llama, withoutLlama } = compared;
  const over = (name: string, goal: number, tokens: number, milliseconds: (pace: Pace) => number | undefined) => {
    const ms = medianOf(rounds, (pace) => milliseconds(pace) ?? Number.NaN);
    const rate = (paces: readonly Pace[]) =>
      digits(medianOf(paces, (pace) => (1000 * tokens) / (milliseconds(pace) ?? Number.NaN)));
    const ratios = speedUps(compared, milliseconds);
    const measured = llama.length > 0;
    const note = measured
      ? `${digits(ms)} ms; ${rate(rounds)} and ${rate(llama)} tokens/s (${llama[0]?.name}); ${ratios.length} rounds, ${digits(Math.min(...ratios))} to ${digits(Math.max(...ratios))}`
      : `${digits(ms)} ms; ${rate(rounds)} tokens/s; ${withoutLlama}`;
    const value = measured ? percentile(ratios, 0.5) : undefined;
    return figure(`${name}, over llama.cpp`, value, "times", note, { atLeast: goal });
  };
  const keys = (value: (rate: Rates) => Readonly<Record<number, number>>) =>
    rounds[0] === undefined ? [] : Object.keys(value(rounds[0])).map(Number);
  return [
    ...keys(({ prefillMs }) => prefillMs).map((tokens) =>
      over(`prefill ${tokens}`, 3, tokens, ({ prefillMs }) => prefillMs[tokens]),
    ),
    ...keys(({ decodeMs }) => decodeMs).map((past) =>
      over(`decode behind ${past}`, 1.3, 1, ({ decodeMs }) => decodeMs[past]),
    ),
    ...keys(({ verifyMs }) => verifyMs).map((tokens) =>
      figure(
        `verify ${tokens} drafted tokens`,
        medianOf(rounds, ({ verifyMs }) => verifyMs[tokens] ?? NaN),
        "ms",
      ),
    ),
    ...loadFigures(rounds, llama),
    ...bandwidthFigures(rounds),
  ];
}

function loadFigures(rounds: readonly Rates[], llama: readonly LlamaRates[]): Figure[] {
  const loadMs = (sides: readonly { readonly loadMs: number }[]) => medianOf(sides, (side) => side.loadMs);
  const peak = (sides: readonly { readonly peakMegabytes: number }[]) => medianOf(sides, (side) => side.peakMegabytes);
  const beside = (text: string) => (llama.length === 0 ? "" : `llama.cpp ${text}`);
  return [
    figure("load", loadMs(rounds), "ms", beside(`${digits(loadMs(llama))} ms`)),
    figure(
      "peak memory of reading 1024",
      peak(rounds),
      "MB",
      beside(`${digits(peak(llama))} MB, with the mapped file`),
    ),
  ];
}

function bandwidthFigures(rounds: readonly Rates[]): Figure[] {
  const [first] = rounds;
  if (first === undefined) return [];
  const { inCache, cacheBytes, bytesRead, bytesPerToken } = first.bandwidth;
  const megabytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(0);
  const where = inCache
    ? `the weights fit in the last-level cache of ${megabytes(cacheBytes ?? 0)} MB: measured at their size`
    : `measured over ${megabytes(bytesRead)} MB`;
  const rate = digits(medianOf(rounds, ({ bandwidth }) => bandwidth.bytesPerSecond) / 1e9);
  const note = `${rate} GB/s, ${digits(bytesPerToken / 1e6)} MB a token; ${where}`;
  const share = medianOf(rounds, ({ bandwidth }) => bandwidth.share);
  return [figure("decode, of the bandwidth bound", share, "of the bound", note, { atLeast: 0.6 })];
}

function draftingFigures(drafting: DraftingResult | undefined, asked: boolean, llama: readonly LlamaRates[]): Figure[] {
  const name = "drafting, tokens a run";
  const goal = { atLeast: 1.8 };
  if (drafting === undefined)
    return asked ? [figure(name, undefined, "tokens a run", "give --tasks and --repos", goal)] : [];
  const { tasks, tokens, tokensPerSecond, speedUp, differing } = drafting;
  const plain = medianOf(llama, ({ decodeMs }) => 1000 / (Object.values(decodeMs)[0] ?? Number.NaN));
  const rates = `${digits(tokensPerSecond)} and ${digits(plain)} tokens/s, what chooses and checks them included`;
  const about = `${tasks} tasks with the right fragments, ${tokens} tokens, ${digits(speedUp)} times as fast as plain decoding`;
  const overLlama = figure("tokens with drafting, over llama.cpp's decoding", tokensPerSecond / plain, "times", rates);
  return [
    figure(name, drafting.tokensPerStep, "tokens a run", about, goal),
    ...(llama.length > 0 ? [overLlama] : []),
    figure("drafting, texts unlike plain decoding's", differing, "texts", "", { atMost: 0 }),
  ];
}

function cancellationFigures(cancellation: CancellationResult): Figure[] {
  const { cancelled, promptTokens, maxMs, medianMs, eventLoopMs } = cancellation;
  const reads = `${cancelled} reads of ${promptTokens} tokens, median ${digits(medianMs)} ms`;
  return [
    figure("cancellation, longest", maxMs, "ms", reads, { atMost: 50 }),
    figure("event loop held, longest", eventLoopMs, "ms", "during prompts, decoding and embedding", { atMost: 50 }),
  ];
}

function memoryFigures(memory: MemoryResult): Figure[] {
  const { fragments, peakMegabytes, readyMs, totalMs, completions, expressMs, searchMs } = memory;
  const index = `${fragments} fragments of variations of real files, with random vectors; ready after ${digits(readyMs / 1000)} s`;
  const about = `${completions} documents never read; expression ${digits(expressMs)}, search ${digits(searchMs)} ms`;
  const note = peakMegabytes === undefined ? "only Linux tells it" : index;
  return [
    figure("peak memory of the sidecar", peakMegabytes, "MB", note, { atMost: 400 }),
    figure("completion in the large index, p50", totalMs.p50, "ms", about),
  ];
}
