// The analysis of a recording of typing in VS Code: delays, stale ghost text, and flicker.
import { describe, expect, it } from "vitest";
import { flickers, inputDelays, type Look, type Recording, staleGhosts } from "../../vscode/recorder";

/** A state such as `x = ┤ghost` at this many milliseconds. */
function look(at: number, text: string): Look {
  const [line = "", ghost = ""] = text.split("┤");
  return { at, line, ghost };
}

function recording(keys: number[], ...looks: [number, string][]): Recording {
  return { keys, looks: looks.map(([at, text]) => look(at, text)) };
}

describe("a recording", () => {
  it("has for each key the time until its character showed", () => {
    expect(inputDelays(recording([0, 50, 60], [0, "x = "], [8, "x = a"], [30, "x = a┤bc"], [72, "x = abc"]))).toEqual([
      8, 22, 12,
    ]);
    expect(() => inputDelays(recording([0, 50], [0, "x = "], [8, "x = a"]))).toThrow(/key 2 of 2/);
  });

  it("tells ghost text that stayed behind a character it does not go with", () => {
    const good = recording(
      [100, 200, 300],
      [0, "x = ┤total"],
      [110, "x = t┤otal"],
      [210, "x = tz"],
      [290, "x = tz┤ero"],
      [310, "x = tzy"],
    );
    expect(staleGhosts(good)).toEqual({ stale: [], judged: 3 });
    const bad = recording([100], [0, "x = ┤total"], [110, "x = z┤total"]);
    expect(staleGhosts(bad)).toEqual({
      stale: [{ before: look(0, "x = ┤total"), after: look(110, "x = z┤total") }],
      judged: 1,
    });
    const unmoved = recording([100], [0, "x = ┤total"], [110, "x = t┤total"]);
    expect(staleGhosts(unmoved).stale).toHaveLength(1);
    // Late enough for a new answer.
    expect(staleGhosts(recording([100], [0, "x = ┤total"], [170, "x = z┤total"]))).toEqual({ stale: [], judged: 0 });
  });

  it("tells flicker from what was typed away, typed to its end or added to", () => {
    expect(
      flickers(recording([], [0, "x = ┤total"], [10, "x = t┤otal"], [20, "x = t┤otal()"], [30, "x = tz"])),
    ).toEqual([]);
    expect(flickers(recording([], [0, "x┤y"], [10, "xy"]))).toEqual([]);
    expect(
      flickers(recording([], [0, "x = ┤total"], [10, "x = t"], [20, "x = t┤ype"], [30, "x = t┤otal"])),
    ).toHaveLength(2);
  });
});
