// Weighs ways to hold requests back against each other: simulated typists, models of several speeds. `npm run bench -- debounce`.
import { chooseWait, keystrokesRemembered as known, readableMs } from "../../sidecar/server/debounce";

/** Keys of one simulated typist. */
const keys = 20_000;

interface Typist {
  readonly name: string;
  /** Median of the intervals within a burst, milliseconds. */
  readonly medianMs: number;
  /** Share of the keys after which somebody stops to think. */
  readonly pauses: number;
}

/**
 * Intervals in a burst are log-normal, as measured of 168,000 people (Dhakal et al., Observations on Typing from 136 Million
 * Keystrokes, CHI 2018: 239 ms on average with a standard deviation of 112 between people, the fast below 120); programmers
 * pause more often than those who copy a text.
 */
const typists: readonly Typist[] = [
  { name: "fast, 120 ms", medianMs: 120, pauses: 0.1 },
  { name: "usual, 190 ms", medianMs: 190, pauses: 0.12 },
  { name: "slow, 320 ms", medianMs: 320, pauses: 0.15 },
];
const spread = 0.35;
const latencies = [30, 80, 200, 500];

interface Policy {
  readonly name: string;
  wait(last: readonly number[], latencyMs: number): number;
}

const fixed = (ms: number): Policy => ({ name: `${ms} ms`, wait: () => ms });
const policies: readonly Policy[] = [
  fixed(0),
  fixed(75),
  fixed(150),
  fixed(250),
  fixed(350),
  { name: "adaptive", wait: chooseWait },
];

interface Outcome {
  /** Runs of the model for every 100 keys. */
  runs: number;
  /** Milliseconds of its work for every 100 keys that nobody saw the result of. */
  inVain: number;
  /** Suggestions for every 100 keys that went before they could be read. */
  flashes: number;
  /** Of every 100 pauses long enough for it, those with a suggestion shown long enough to be read. */
  read: number;
  /** Milliseconds waited before the model was asked, mean over the suggestions that could be read. */
  waited: number;
}

function simulate(intervals: readonly number[], policy: Policy, latencyMs: number): Outcome {
  let [runs, inVain, flashes, read, waited, long] = [0, 0, 0, 0, 0, 0];
  for (let key = known; key < intervals.length; key++) {
    const interval = intervals[key] ?? 0;
    const wait = policy.wait(intervals.slice(key - known, key), latencyMs);
    const left = interval - wait;
    if (interval >= latencyMs + readableMs) long += 1;
    if (left <= 0) continue;
    runs += 1;
    if (left <= latencyMs) inVain += left;
    else if (left < latencyMs + readableMs) flashes += 1;
    else {
      read += 1;
      waited += wait;
    }
  }
  const each = 100 / (intervals.length - known);
  return {
    runs: runs * each,
    inVain: inVain * each,
    flashes: flashes * each,
    read: (100 * read) / long,
    waited: waited / Math.max(1, read),
  };
}

/** Always the same numbers. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
}

function intervalsOf({ medianMs, pauses }: Typist, random: () => number): number[] {
  return Array.from({ length: keys }, () => {
    const normal = Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
    // Thinking takes half a second to some seconds.
    return random() < pauses ? 500 * Math.exp(Math.abs(normal)) : medianMs * Math.exp(spread * normal);
  });
}

export async function main(): Promise<void> {
  const lines = ["typist          model    policy      runs  in vain  flashes   read  waited"];
  for (const typist of typists) {
    const intervals = intervalsOf(typist, randomFrom(7));
    for (const latencyMs of latencies) {
      for (const policy of policies) {
        const { runs, inVain, flashes, read, waited } = simulate(
          intervals.map((ms) => Math.min(ms, 2000)),
          policy,
          latencyMs,
        );
        const cells = [
          runs.toFixed(0).padStart(6),
          inVain.toFixed(0).padStart(8),
          flashes.toFixed(1).padStart(8),
          `${read.toFixed(0)} %`.padStart(6),
          waited.toFixed(0).padStart(7),
        ];
        lines.push(
          `${typist.name.padEnd(15)} ${`${latencyMs} ms`.padEnd(8)} ${policy.name.padEnd(9)}${cells.join(" ")}`,
        );
      }
    }
  }
  process.stdout.write(`${lines.join("\n")}\n`);
}
