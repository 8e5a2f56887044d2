// Times of day as text.

import { describe, expect, it } from "vitest";
import { clockTime, tomorrowMorning } from "../../../../extension/status/clock";

const now = new Date(2026, 11, 31, 23, 50).getTime();

describe("clockTime", () => {
  it.each([
    ["23:55", new Date(2026, 11, 31, 23, 55)],
    ["tomorrow, 00:05", new Date(2027, 0, 1, 0, 5)],
    ["Saturday, 06:00", new Date(2027, 0, 2, 6)],
  ])("%s", (text, at) => {
    expect(clockTime(at.getTime(), now)).toBe(text);
  });
});

describe("tomorrowMorning", () => {
  it("is 06:00 of the next day, also at the end of the year", () => {
    expect(tomorrowMorning(now)).toBe(new Date(2027, 0, 1, 6).getTime());
  });
});
