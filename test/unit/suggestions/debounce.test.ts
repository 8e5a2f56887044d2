// How long a request is held back: a policy that follows rhythm and speed, with a clock that the test turns.
import { describe, expect, it } from "vitest";
import { type Clock, chooseWait, Debounce, defaultRhythm, maxWaitMs } from "../../../sidecar/suggestions/debounce";

/** Time passes when somebody sleeps, or when the test says so. */
class FakeClock implements Clock {
  time = 1000;
  readonly slept: number[] = [];
  /** Left in the sleep when it is ended early. */
  interruptAfter: { ms: number; controller: AbortController } | undefined;

  now(): number {
    return this.time;
  }

  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    this.slept.push(ms);
    const { interruptAfter } = this;
    this.time += Math.min(ms, interruptAfter?.ms ?? Infinity);
    if (interruptAfter !== undefined && interruptAfter.ms < ms) interruptAfter.controller.abort();
    expect(signal.aborted).toBe(interruptAfter !== undefined);
  }
}

function typing(clock: FakeClock, debounce: Debounce, intervals: readonly number[]): void {
  for (const interval of intervals) {
    clock.time += interval;
    debounce.keystroke();
  }
}

/** Nine keys in a burst, then a pause, so often that the rhythm is known. */
const bursts = (interval: number): number[] =>
  Array.from({ length: 7 }, () => [...Array<number>(9).fill(interval), 2000]).flat();
const never = new AbortController().signal;

describe("chooseWait", () => {
  it("is within its bounds for any rhythm and model", () => {
    for (const interval of [1, 50, 100, 200, 300, 1000, 2000]) {
      for (const latency of [0, 1, 50, 500, 60_000]) {
        const wait = chooseWait(bursts(interval), latency);
        expect(wait).toBeGreaterThanOrEqual(0);
        expect(wait).toBeLessThanOrEqual(maxWaitMs);
      }
    }
  });

  it("covers the keys of a burst for which the model is too slow, and no more", () => {
    expect(chooseWait(bursts(120), 200)).toBe(125);
    expect(chooseWait(bursts(180), 400)).toBe(150);
  });

  it("is 0 where the suggestion can be read before the next key", () => {
    expect(chooseWait(bursts(400), 50)).toBe(0);
    expect(chooseWait([2000], 1000)).toBe(0);
  });

  it("is 0 where a fast model finishes between two keys", () => {
    expect(chooseWait(bursts(120), 20)).toBe(0);
    expect(chooseWait(bursts(190), 80)).toBe(0);
  });
});

describe("Debounce", () => {
  it("waits for the rest of the wait since the last keystroke", async () => {
    const clock = new FakeClock();
    const debounce = new Debounce(clock);
    typing(clock, debounce, bursts(120));
    debounce.completed(200);
    const { wait } = debounce;
    expect(wait).toBe(125);
    clock.time += 50;
    expect(await debounce.hold(never)).toBe(75);
    expect(clock.slept).toEqual([75]);
  });

  it("does not wait after a pause, nor where nobody typed", async () => {
    const clock = new FakeClock();
    const debounce = new Debounce(clock);
    expect(await debounce.hold(never)).toBe(0);
    typing(clock, debounce, bursts(120));
    clock.time += 126;
    expect(await debounce.hold(never)).toBe(0);
    expect(clock.slept).toEqual([]);
  });

  it("ends the wait when the signal is aborted, and returns the time waited", async () => {
    const clock = new FakeClock();
    const debounce = new Debounce(clock);
    typing(clock, debounce, bursts(120));
    debounce.completed(200);
    const controller = new AbortController();
    clock.interruptAfter = { ms: 30, controller };
    expect(await debounce.hold(controller.signal)).toBe(30);
    controller.abort();
    expect(await debounce.hold(controller.signal)).toBe(0);
  });

  it("follows changes of rhythm and speed", () => {
    const clock = new FakeClock();
    const debounce = new Debounce(clock);
    typing(clock, debounce, bursts(120));
    for (let n = 0; n < 9; n++) debounce.completed(200);
    expect(debounce.wait).toBe(125);
    typing(clock, debounce, bursts(400));
    for (let n = 0; n < 9; n++) debounce.completed(50);
    expect(debounce.wait).toBe(0);
  });

  it("ignores a single slow completion", () => {
    const clock = new FakeClock();
    const debounce = new Debounce(clock);
    typing(clock, debounce, bursts(400));
    for (let n = 0; n < 8; n++) debounce.completed(50);
    debounce.completed(5000);
    expect(debounce.wait).toBe(0);
  });

  it("assumes the default rhythm until keystrokes are recorded", () => {
    const clock = new FakeClock();
    const debounce = new Debounce(clock);
    expect(debounce.wait).toBe(chooseWait(defaultRhythm, 150));
    typing(clock, debounce, [0, 0, 0]);
    expect(debounce.wait).toBeLessThanOrEqual(maxWaitMs);
  });
});
