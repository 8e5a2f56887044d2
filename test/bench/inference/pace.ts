// Times prefill and decoding in the same way for two runtimes, so that they can be compared.

import { randomRows } from "../random";
import { percentile } from "../statistics";

/** A runtime with one text in its KV cache. */
export interface Runtime {
  /** Context length in tokens. */
  readonly contextLength: number;
  /** Clears the cache, reads these tokens, and computes the logits after the last one. */
  read(tokens: readonly number[]): Promise<void>;
  /** Reads one more token and computes the logits after it. */
  decode(token: number): Promise<void>;
}

/** Medians by number of tokens. */
export interface Pace {
  /** Milliseconds to read this many tokens. */
  readonly prefillMs: Readonly<Record<number, number>>;
  /** Milliseconds per decoded token after this many. */
  readonly decodeMs: Readonly<Record<number, number>>;
}

const prompts = [128, 512, 1024];
const pasts = [512, 1024];
/** Tokens decoded after a past. */
export const decoded = 16;
const repetitions = 9;
/** Total tokens read for each size, if the time allows. */
const prefilled = 8192;
/** Context length that the measurement needs. */
export const neededContext = Math.max(...prompts, ...pasts) + decoded;

/** The pasts that fit in the context together with the decoded tokens. */
export function pastsWithin(contextLength: number): number[] {
  return pasts.map((past) => Math.min(past, contextLength - decoded));
}

/**
 * Measures with random tokens, the same ones in every call.
 * @param vocabulary upper bound of the ids
 * @param budgetMs time after which no further repetition begins, separately for decoding and prefill
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
  // After decoding, so that Node.js has compiled the code of prefill.
  const prefill = new Samples();
  const sizes = prompts.filter((size) => size <= runtime.contextLength);
  for (const size of sizes) {
    // As in llama-bench, each size is measured separately, after a run that does not count.
    await runtime.read(row(size));
    // Short runs are repeated until they take as long as the long ones.
    await repeat(Math.max(repetitions, Math.ceil(prefilled / size)), budgetMs / sizes.length, async () => {
      const tokens = row(size);
      prefill.add(size, await timed(() => runtime.read(tokens)));
    });
  }
  return { prefillMs: prefill.medians(), decodeMs: decode.medians() };
}

/** Runs `work` up to `times` times, at least once, and starts no further run after the budget. */
export async function repeat(times: number, budgetMs: number, work: () => Promise<void>): Promise<void> {
  const start = performance.now();
  for (let i = 0; i < times && (i === 0 || performance.now() - start < budgetMs); i++) await work();
}

/** The duration of `work` in milliseconds. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** An object of numbers by number. */
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
