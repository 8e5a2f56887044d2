// Snoozing: until when, its own end, and the sentence that says so.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Snooze, snoozedMessage } from "../../../sidecar/suggestions/snooze";

beforeEach(() => vi.useFakeTimers({ now: new Date(2026, 0, 5, 14, 0) }));
afterEach(() => vi.useRealTimers());

function snoozing(): { snooze: Snooze; told: (number | undefined)[] } {
  const told: (number | undefined)[] = [];
  return { snooze: new Snooze((until) => void told.push(until)), told };
}

describe("Snooze", () => {
  it("lasts for its minutes and ends by itself", () => {
    const { snooze, told } = snoozing();
    const end = Date.now() + 35 * 60_000;
    snooze.set(35);
    expect(snooze.until).toBe(end);
    vi.advanceTimersByTime(35 * 60_000 - 1);
    expect(told).toEqual([end]);
    vi.advanceTimersByTime(1);
    expect(told).toEqual([end, undefined]);
    expect(snooze.until).toBeUndefined();
  });

  it("ends with 0, and restarts with another number", () => {
    const { snooze, told } = snoozing();
    snooze.set(5);
    snooze.set(10);
    vi.advanceTimersByTime(6 * 60_000);
    expect(snooze.until).toBeDefined();
    snooze.set(0);
    expect(snooze.until).toBeUndefined();
    vi.advanceTimersByTime(60 * 60_000);
    expect(told).toHaveLength(3);
    expect(told[2]).toBeUndefined();
  });

  it("is over when the machine slept through it, without waiting for the timer", () => {
    const { snooze, told } = snoozing();
    snooze.set(30);
    vi.setSystemTime(Date.now() + 31 * 60_000);
    expect(snooze.until).toBeUndefined();
    expect(told).toHaveLength(2);
    const slept = snoozing();
    slept.snooze.set(30);
    vi.setSystemTime(Date.now() + 31 * 60_000);
    vi.advanceTimersByTime(15_000);
    expect(slept.told).toHaveLength(2);
  });

  it("reports nothing after it is disposed of", () => {
    const { snooze, told } = snoozing();
    snooze.set(1);
    snooze.dispose();
    vi.advanceTimersByTime(120_000);
    expect(told).toHaveLength(1);
  });
});

describe("snoozedMessage", () => {
  it.each([
    [[2026, 0, 5, 14, 35], "Snoozed until 14:35."],
    [[2026, 0, 5, 23, 5], "Snoozed until 23:05."],
    [[2026, 0, 6, 9, 0], "Snoozed until 2026-01-06 09:00."],
  ] as const)("of %j", ([year, month, day, hour, minute], message) => {
    expect(snoozedMessage(new Date(year, month, day, hour, minute).getTime(), Date.now())).toBe(message);
  });
});
