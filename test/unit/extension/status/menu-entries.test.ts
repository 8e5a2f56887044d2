// The status bar's menu in each state.

import { describe, expect, it } from "vitest";
import { menuGroups, snoozeEntries } from "../../../../extension/status/menu-entries";
import type { StatusData } from "../../../../extension/status/status-data";
import type { SidecarStatus } from "../../../../sidecar/protocol";

const now = new Date(2026, 4, 20, 14, 20).getTime();
const ready: SidecarStatus = { state: "ready", message: "Ready." };

function menu(
  status: SidecarStatus,
  more: Partial<StatusData> = {},
  options: { folders?: boolean; disabledLanguages?: string[] } = {},
): Map<string, string[]> {
  const data = { status, place: { trusted: true, folderSchemes: ["file"] }, ...more };
  const groups = menuGroups(data, { now, folders: true, disabledLanguages: [], ...options });
  return new Map(groups.map(({ title, entries }) => [title, entries.map((entry) => entry.title)]));
}

describe("menuGroups", () => {
  it("has all entries while the sidecar is ready", () => {
    expect([...menu(ready, { languageId: "python" })]).toEqual([
      [
        "Suggestions",
        [
          "Turn Suggestions Off",
          "Snooze for 5 Minutes",
          "Snooze for 15 Minutes",
          "Snooze for an Hour",
          "Snooze Until Tomorrow",
          "Turn Off for python",
        ],
      ],
      ["Index", ["Re-index Workspace", "Pause Indexing"]],
      ["A closer look", ["Show Retrieval Inspector", "Show Log", "Collect Diagnostics"]],
      ["Model and settings", ["Choose Model", "Restart Sidecar", "Open Settings", "Get Started"]],
    ]);
  });

  it("has the remedy of an error first and once", () => {
    const missing = menu({ state: "error", message: "Expected a package. Set selfracg.model to a complete one." });
    expect(missing.get("Now")).toEqual(["Choose Model", "Open Setting model", "Restart Sidecar", "Show Log"]);
    expect([...missing.values()].flat().filter((title) => title === "Choose Model")).toHaveLength(1);
    expect(menu({ state: "error", message: "The sidecar stopped." }).get("Now")).toEqual([
      "Restart Sidecar",
      "Show Log",
    ]);
  });

  it("has an entry that ends a snooze, a pause or the off state", () => {
    expect(menu({ ...ready, state: "snoozed" }).get("Now")).toEqual(["End Snooze"]);
    expect([...menu({ ...ready, state: "snoozed" }).values()].flat().filter((title) => /snooze/i.test(title))).toEqual([
      "End Snooze",
    ]);
    expect(menu({ ...ready, state: "off" }).get("Now")).toEqual(["Turn Suggestions On"]);
    expect(menu({ ...ready, paused: "asked" }).get("Now")).toEqual(["Resume Indexing"]);
    expect(menu({ ...ready, paused: "asked" }).has("Index")).toBe(false);
    expect(menu({ ...ready, paused: "battery" }).get("Now")).toEqual(["Open Setting pauseOnBattery"]);
  });

  it("has an entry that enables a disabled language", () => {
    const off = menu(
      ready,
      { languageId: "markdown", here: { available: false, reason: "Off.", setting: "disabledLanguages" } },
      { disabledLanguages: ["markdown"] },
    );
    expect(off.get("Now")).toEqual(["Turn On for markdown"]);
    expect(off.get("Suggestions")).not.toContain("Turn Off for markdown");
    expect(
      menu({ ...ready, state: "starting" }, { languageId: "markdown" }, { disabledLanguages: ["markdown"] }).get(
        "Suggestions",
      ),
    ).toContain("Turn On for markdown");
  });

  it("has no index entries without a folder, and no language entry without a file", () => {
    const bare = menu(ready, {}, { folders: false });
    expect(bare.has("Index")).toBe(false);
    expect(bare.get("Suggestions")?.some((title) => title.includes(" for python"))).toBe(false);
  });
});

describe("snoozeEntries", () => {
  it("have the time at which the snooze ends", () => {
    expect(snoozeEntries(now).map(({ argument, description }) => [argument, description])).toEqual([
      [5, "until 14:25"],
      [15, "until 14:35"],
      [60, "until 15:20"],
      [940, "until tomorrow, 06:00"],
    ]);
  });
});
