// Computes the figures and their goals from the measurements.
import { percentile } from "../statistics";
import type { DraftingResult } from "./drafting";
import { digits, type Figure } from "./goals";
import type { Fresh, KeystrokeResult } from "./keystrokes";
import type { LlamaRates } from "./llama";
import type { MemoryResult } from "./memory";
import type { Pace } from "./pace";
import type { Rates } from "./rates";
import type { ServiceResult } from "./service";
import { type SizedRates, speedUps } from "./sizes";

/** All measurements; undefined for a part that was not run. */
export interface Measured {
  readonly keystrokes?: KeystrokeResult;
  readonly service?: ServiceResult;
  readonly drafting?: DraftingResult;
  readonly memory?: MemoryResult & { readonly index: string };
  /** A list of rounds for each model and number of cores. */
  readonly rates?: readonly SizedRates[];
}

/** @param draftingAsked whether drafting was requested, even when there are no tasks for it */
export function figuresOf(measured: Measured, draftingAsked: boolean): Figure[] {
  const { keystrokes, service, drafting, memory, rates } = measured;
  const [first] = rates ?? [];
  return [
    ...(keystrokes === undefined ? [] : keystrokeFigures(keystrokes)),
    ...(first === undefined ? [] : rateFigures(first)),
    ...draftingFigures(drafting, draftingAsked, first?.llama ?? []),
    ...(service === undefined ? [] : serviceFigures(service)),
    ...(memory === undefined ? [] : memoryFigures(memory)),
  ];
}

function keystrokeFigures({ fragments, warm, cold, typing, background }: KeystrokeResult): Figure[] {
  const about = `${warm.completions} keystrokes, ${warm.promptTokens} tokens of prompt, ${warm.generatedTokens} generated; fragments kept at ${percent(warm.reusedShare)} of keystrokes`;
  const fresh = (name: string, found: Fresh, goal: Figure["goal"]): Figure[] => [
    {
      name: `fresh retrieval, ${name}, p50`,
      value: found.totalMs.p50,
      unit: "ms",
      goal,
      note: `${found.completions} completions, ${found.promptTokens} tokens of prompt`,
    },
    {
      name: `expression and search, ${name}`,
      value: 100 * found.retrievalShare,
      unit: "%",
      goal: { atMost: 5 },
      note: `of a completion that reads its whole prompt: ${digits(found.expressMs)} and ${digits(found.searchMs)} ms, ${fragments} fragments`,
    },
  ];
  const wait = (share: keyof typeof background.idleMs, pairs: string): Figure => ({
    name: `wait for background embedding, ${share}`,
    value: background.busyMs[share] - background.idleMs[share],
    unit: "ms",
    goal: { atMost: 50 },
    note: `${pairs}${digits(background.busyMs[share])} and ${digits(background.idleMs[share])} ms`,
  });
  return [
    { name: "warm keystroke, p50", value: warm.totalMs.p50, unit: "ms", goal: { atMost: 60 }, note: about },
    { name: "warm keystroke, p95", value: warm.totalMs.p95, unit: "ms", goal: { atMost: 120 } },
    ...fresh("document never read (cold)", cold, { atMost: 450 }),
    ...fresh("query's beginning read before (typing)", typing, undefined),
    wait("p50", `${background.pairs} keystrokes with and without: `),
    wait("p95", ""),
  ];
}

/** Prefill and decoding of the first model compared with llama.cpp and the machine's bandwidth. */
function rateFigures(size: SizedRates): Figure[] {
  const { rounds, llama, withoutLlama } = size;
  const over = (name: string, goal: number, tokens: number, milliseconds: (pace: Pace) => number | undefined) => {
    const rate = (paces: readonly Pace[]) =>
      digits(
        percentile(
          paces.map((pace) => (1000 * tokens) / (milliseconds(pace) ?? Number.NaN)),
          0.5,
        ),
      );
    const ratios = speedUps(size, milliseconds);
    const measured = llama.length > 0;
    return {
      name: `${name}, over llama.cpp`,
      value: measured ? percentile(ratios, 0.5) : undefined,
      unit: "times",
      goal: { atLeast: goal },
      note: measured
        ? `${rate(rounds)} and ${rate(llama)} tokens/s (${llama[0]?.name}); ${ratios.length} rounds, ${digits(Math.min(...ratios))} to ${digits(Math.max(...ratios))}`
        : `${rate(rounds)} tokens/s; ${withoutLlama}`,
    } satisfies Figure;
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
    ...loadFigures(rounds, llama),
    ...bandwidthFigures(rounds),
  ];
}

function loadFigures(rounds: readonly Rates[], llama: readonly LlamaRates[]): Figure[] {
  const median = (sides: readonly { readonly loadMs: number; readonly peakMegabytes: number }[]) => ({
    loadMs: percentile(
      sides.map(({ loadMs }) => loadMs),
      0.5,
    ),
    peakMegabytes: percentile(
      sides.map(({ peakMegabytes }) => peakMegabytes),
      0.5,
    ),
  });
  const own = median(rounds);
  const theirs = median(llama);
  const beside = (text: string) => (llama.length === 0 ? {} : { note: `llama.cpp ${text}` });
  return [
    { name: "load", value: own.loadMs, unit: "ms", goal: undefined, ...beside(`${digits(theirs.loadMs)} ms`) },
    {
      name: "peak memory of reading 1024",
      value: own.peakMegabytes,
      unit: "MB",
      goal: undefined,
      ...beside(`${digits(theirs.peakMegabytes)} MB, the mapped file included`),
    },
  ];
}

function bandwidthFigures(rounds: readonly Rates[]): Figure[] {
  const [first] = rounds;
  if (first === undefined) return [];
  const { inCache, cacheBytes, bytesRead, bytesPerToken } = first.bandwidth;
  const bandwidth = percentile(
    rounds.map((rate) => rate.bandwidth.bytesPerSecond),
    0.5,
  );
  const where = inCache
    ? `the weights fit in the last-level cache of ${megabytes(cacheBytes ?? 0)} MB: measured at their size`
    : `measured over ${megabytes(bytesRead)} MB`;
  return [
    {
      name: "decode, of the bandwidth bound",
      value: percentile(
        rounds.map((rate) => rate.bandwidth.share),
        0.5,
      ),
      unit: "of the bound",
      goal: { atLeast: 0.6 },
      note: `${digits(bandwidth / 1e9)} GB/s, ${digits(bytesPerToken / 1e6)} MB a token; ${where}`,
    },
  ];
}

function draftingFigures(drafting: DraftingResult | undefined, asked: boolean, llama: readonly LlamaRates[]): Figure[] {
  const name = "drafting, tokens a run";
  const goal = { atLeast: 1.8 };
  if (drafting === undefined)
    return asked ? [{ name, value: undefined, unit: "tokens a run", goal, note: "give --tasks and --repos" }] : [];
  const plain = percentile(
    llama.map(({ decodeMs }) => 1000 / (Object.values(decodeMs)[0] ?? Number.NaN)),
    0.5,
  );
  const overLlama: Figure = {
    name: "tokens with drafting, over llama.cpp's decoding",
    value: drafting.tokensPerSecond / plain,
    unit: "times",
    goal: undefined,
    note: `${digits(drafting.tokensPerSecond)} and ${digits(plain)} tokens/s, what chooses and checks them included`,
  };
  return [
    {
      name,
      value: drafting.tokensPerStep,
      unit: "tokens a run",
      goal,
      note: `${drafting.tasks} tasks with the right fragments, ${drafting.tokens} tokens, ${digits(drafting.speedUp)} times as fast as plain decoding`,
    },
    ...(llama.length > 0 ? [overLlama] : []),
    { name: "drafting, texts unlike plain decoding's", value: drafting.differing, unit: "texts", goal: { atMost: 0 } },
  ];
}

function serviceFigures({ embedding, cancellation, eventLoopMs }: ServiceResult): Figure[] {
  return [
    {
      name: "embedding, of the raw forward rate",
      value: embedding.share,
      unit: "of the raw rate",
      goal: { atLeast: 0.85 },
      note: `${digits(embedding.perSecond)} and ${digits(embedding.rawPerSecond)} fragments/s of ${digits(embedding.meanTokens)} tokens, raw in batches of ${embedding.rawBatch}`,
    },
    {
      name: "cancellation, longest",
      value: cancellation.maxMs,
      unit: "ms",
      goal: { atMost: 50 },
      note: `${cancellation.cancelled} reads of ${cancellation.promptTokens} tokens, median ${digits(cancellation.medianMs)} ms`,
    },
    {
      name: "event loop held, longest",
      value: eventLoopMs,
      unit: "ms",
      goal: { atMost: 50 },
      note: "prompts, decoding and embedding under way",
    },
  ];
}

function memoryFigures(memory: MemoryResult & { readonly index: string }): Figure[] {
  return [
    {
      name: "peak memory of the sidecar",
      value: memory.peakMegabytes,
      unit: "MB",
      goal: { atMost: 400 },
      note:
        memory.peakMegabytes === undefined
          ? "only Linux says it"
          : `${memory.fragments} fragments (${memory.index}), ready after ${digits(memory.readyMs / 1000)} s`,
    },
    {
      name: "completion in the large index, p50",
      value: memory.totalMs.p50,
      unit: "ms",
      goal: undefined,
      note: `${memory.completions} documents never read; expression ${digits(memory.expressMs)}, search ${digits(memory.searchMs)} ms`,
    },
  ];
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

function megabytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0);
}
