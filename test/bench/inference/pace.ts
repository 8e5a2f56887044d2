// Times reading and decoding in the same way for whatever runs a model, so that two runtimes can be set beside each other.
import { percentile } from "../statistics";
import { randomRows } from "./tokens";

/** Something that runs a model, with one text in its cache. */
export interface Runtime {
  /** In tokens. */
  readonly contextLength: number;
  /** Forgets what was read, then reads these tokens, up to the logits behind the last one. */
  read(tokens: readonly number[]): Promise<void>;
  /** Reads one more token, up to the logits behind it. */
  decode(token: number): Promise<void>;
}

/** Medians. Keys are numbers of tokens. */
export interface Pace {
  /** Milliseconds to read so many tokens. */
  readonly prefillMs: Readonly<Record<number, number>>;
  /** Milliseconds a token behind so many. */
  readonly decodeMs: Readonly<Record<number, number>>;
}

const prompts = [128, 512, 1024];
const pasts = [512, 1024];
/** Tokens decoded behind a past. */
export const decoded = 16;
const repetitions = 9;
/** Tokens read of each size, where there is time. */
const prefilled = 8192;
/** Tokens of context that the measurement takes. */
export const neededContext = Math.max(...prompts, ...pasts) + decoded;

/** The pasts that fit, with what is decoded behind them. */
export function pastsWithin(contextLength: number): number[] {
  return pasts.map((past) => Math.min(past, contextLength - decoded));
}

/**
 * Measures with random tokens, the same ones at every call.
 * @param vocabulary ids are below it
 * @param budgetMs no further repetition begins after so long, for decoding and for reading
 */
export async function measurePace(runtime: Runtime, vocabulary: number, budgetMs: number): Promise<Pace> {
  const row = randomRows(vocabulary);
  const decode = new Samples();
  await repeat(repetitions, budgetMs, async () => {
    for (const past of pastsWithin(runtime.contextLength)) {
      await runtime.read(row(past));
      for (const token of row(decoded)) decode.add(past, await timed(() => runtime.decode(token)));
    }
  });
  // Behind the decoding, so that Node.js has compiled what every reading goes through.
  const prefill = new Samples();
  const sizes = prompts.filter((size) => size <= runtime.contextLength);
  for (const size of sizes) {
    // As llama-bench does it: each size by itself, behind a run that does not count.
    await runtime.read(row(size));
    // What takes a few milliseconds is repeated until it takes as long as what does not.
    await repeat(Math.max(repetitions, Math.ceil(prefilled / size)), budgetMs / sizes.length, async () => {
      const tokens = row(size);
      prefill.add(size, await timed(() => runtime.read(tokens)));
    });
  }
  return { prefillMs: prefill.medians(), decodeMs: decode.medians() };
}

/** Does `work` so many times, once at the least, and begins no further time after so long. */
export async function repeat(times: number, budgetMs: number, work: () => Promise<void>): Promise<void> {
  const start = performance.now();
  for (let i = 0; i < times && (i === 0 || performance.now() - start < budgetMs); i++) await work();
}

/** Milliseconds that `work` takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Numbers under numbers. */
export class Samples {
  private readonly byKey = new Map<number, number[]>();

  add(key: number, value: number): void {
    const list = this.byKey.get(key) ?? [];
    list.push(value);
    this.byKey.set(key, list);
  }

  medians(): Record<number, number> {
    return Object.fromEntries([...this.byKey].map(([key, values]) => [key, percentile(values, 0.5)]));
  }
}
