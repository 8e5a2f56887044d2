// The text of the status bar in each state.

import { describe, expect, it } from "vitest";
import type { StatusData } from "../../../../extension/status/status-data";
import { count, formatBytes, lastSummary, statusText } from "../../../../extension/status/status-text";
import type { CompletionTrace, SidecarStatus } from "../../../../sidecar/protocol";

const now = new Date(2026, 4, 20, 14, 20).getTime();

const ready: SidecarStatus = {
  state: "ready",
  message: "Ready.",
  model: { name: "selfracg-default", version: "0.1.0" },
  provider: { name: "cpu", reason: "no CUDA library was found" },
  vectorIndex: { name: "faiss", reason: "the addon loaded" },
  index: { files: 96, fragments: 1204, embedded: 3, excluded: {}, storeBytes: 3_250_586 },
};

function last(totalMs: number, paths: string[], cached = false): CompletionTrace {
  return {
    timings: { totalMs },
    fragments: paths.map((path) => ({ path })),
    ...(cached ? { cached } : {}),
  } as CompletionTrace;
}

function show(status: SidecarStatus, more: Partial<StatusData> = {}) {
  return statusText({ status, place: { trusted: true, folderSchemes: ["file"] }, ...more }, now);
}

/** Removes Markdown's escapes. */
const shown = (markdown: string): string => markdown.replace(/\\([!-/:-@[-`{-~])/g, "$1");

describe("statusText", () => {
  const views: [string, ReturnType<typeof show>][] = [
    ["$(loading~spin) SelfRACG", show({ state: "starting", message: "Starting." })],
    ["$(sync~spin) SelfRACG", show({ state: "indexing", message: "Walking." })],
    [
      "$(sync~spin) SelfRACG 340/1,200",
      show({ state: "indexing", message: "Indexing.", progress: { done: 340, total: 1200 } }),
    ],
    ["$(sparkle) SelfRACG", show(ready)],
    ["$(sparkle) SelfRACG 38 ms · 3", show(ready, { last: last(37.6, ["a.py", "b.py", "a.py"]) })],
    [
      "$(circle-slash) SelfRACG off in markdown",
      show(ready, {
        languageId: "markdown",
        here: { available: false, reason: "Off for markdown.", setting: "disabledLanguages" },
      }),
    ],
    [
      "$(circle-slash) SelfRACG off here",
      show(ready, { languageId: "python", here: { available: false, reason: "It is generated." } }),
    ],
    ["$(debug-pause) SelfRACG paused", show({ ...ready, paused: "asked" })],
    [
      "$(bell-slash) SelfRACG until 14:35",
      show({ ...ready, state: "snoozed", snoozedUntil: new Date(2026, 4, 20, 14, 35).getTime() }),
    ],
    [
      "$(bell-slash) SelfRACG until tomorrow, 06:00",
      show({ ...ready, state: "snoozed", snoozedUntil: new Date(2026, 4, 21, 6).getTime() }),
    ],
    ["$(circle-slash) SelfRACG off", show({ state: "off", message: "Switched off." })],
    ["$(error) SelfRACG", show({ state: "error", message: "model.onnx is missing." })],
  ];

  it("shows the download of a model, unless suggestions are off or fail", () => {
    const work = { title: "Downloading Half", percent: 25, detail: "123 of 491 MB" };
    expect(show(ready, { work })).toMatchObject({
      text: "$(cloud-download) SelfRACG 25 %",
      label: "SelfRACG: Downloading Half 25 %",
    });
    expect(shown(show(ready, { work }).tooltip)).toContain(
      "Downloading Half: 123 of 491 MB. The model in use answers meanwhile.",
    );
    const converting = { title: "Converting Half", percent: undefined, detail: "" };
    expect(shown(show(ready, { work: converting }).tooltip)).toContain("Converting Half. The model in use");
    expect(show({ state: "off", message: "Off." }, { work }).text).toBe("$(circle-slash) SelfRACG off");
  });

  it.each(views)("shows %s", (text, view) => {
    expect(view.text).toBe(text);
  });

  it("has a different label for screen readers in each state", () => {
    expect(new Set(views.map(([, { label }]) => label)).size).toBe(views.length);
    expect(views.filter(([, { severity }]) => severity === "error").map(([text]) => text)).toEqual([
      "$(error) SelfRACG",
    ]);
  });

  it("shows why the file has no suggestions, in the tooltip and for screen readers", () => {
    const { label, tooltip } = show(ready, {
      languageId: "python",
      here: { available: false, reason: "It is left out by *.gen.py.", setting: "disabledFiles" },
    });
    expect(label).toBe("SelfRACG is off here: It is left out by *.gen.py.");
    expect(shown(tooltip)).toContain("Here: It is left out by *.gen.py.");
    expect(tooltip).toContain(`(command:selfracg.openSettings?${encodeURIComponent('["disabledFiles"]')})`);
  });

  it("shows why no suggestion was requested at the cursor", () => {
    const { label, tooltip } = show(ready, { suppressed: "there are several cursors." });
    expect(shown(tooltip)).toContain("No suggestion here: there are several cursors.");
    expect(label).toBe("SelfRACG is ready");
  });

  it("shows nothing about the file while the sidecar is off, snoozed or failed", () => {
    for (const state of ["off", "snoozed", "error", "starting"] as const) {
      expect(
        show({ ...ready, state }, { here: { available: false, reason: "Off for markdown." } }).tooltip,
      ).not.toContain("Here: ");
    }
  });

  it("names model, provider with reason, vector index, index size and the last suggestion in the tooltip", () => {
    const tooltip = shown(show(ready, { last: last(1400, ["a.py", "b.py"]) }).tooltip);
    expect(tooltip).toContain("Model: selfracg-default 0.1.0");
    expect(tooltip).toContain("Runs on: CPU (no CUDA library was found)");
    expect(tooltip).toContain("Vector index: faiss");
    expect(tooltip).toContain("Index: 1,204 fragments of 96 files, 3.1 MB on disk");
    expect(tooltip).toContain("Last suggestion: 1.4 s, with 2 fragments of a.py, b.py");
    expect(tooltip).toContain("Click for the menu");
  });

  it("shows where the sidecar runs and what does not work there", () => {
    const remote = show(ready, { place: { remoteName: "ssh-remote", trusted: true, folderSchemes: ["file"] } });
    expect(remote.tooltip).toContain("Where: on the SSH host");
    const limited = show(ready, { place: { trusted: false, folderSchemes: ["vscode-vfs"] } });
    expect(limited.tooltip).toContain("Virtual workspace");
    expect(limited.tooltip).toContain("Restricted mode");
  });

  it("shows an error's reason in the tooltip and to screen readers, with a remedy", () => {
    const status = show({
      state: "error",
      message:
        "model.json: expected formatVersion 2, found 3. Install the model package again, or set selfracg.model to a complete one.",
    });
    expect(status.label).toContain("expected formatVersion 2, found 3");
    expect(shown(status.tooltip)).toContain("expected formatVersion 2, found 3");
    expect(status.tooltip).toContain("[$(package) Choose Model](command:selfracg.chooseModel)");
  });

  it("escapes links, icons and emphasis in a message", () => {
    const { tooltip } = show({ state: "error", message: "[run](command:x) $(trash) *a*\n\n# b" });
    expect(tooltip).toContain("\\[run\\]\\(command\\:x\\) \\\\\\$\\(trash\\) \\*a\\* \\# b");
  });
});

describe("lastSummary", () => {
  it.each([
    ["38 ms, from the open file alone", last(38, [])],
    ["38 ms, with 1 fragment of a.py", last(38, ["a.py"])],
    ["38 ms, with 5 fragments of a.py, b.py, c.py and 1 more file", last(38, ["a.py", "b.py", "c.py", "d.py", "a.py"])],
    ["38 ms at first, now from the cache, with 1 fragment of a.py", last(38, ["a.py"], true)],
  ])("%s", (text, trace) => {
    expect(lastSummary(trace)).toBe(text);
  });
});

describe("formatBytes", () => {
  it.each([
    [0, "0 B"],
    [1023, "1023 B"],
    [1024, "1.0 KB"],
    [150 * 1024, "150 KB"],
    [3 * 1024 ** 3, "3.0 GB"],
    [5000 * 1024 ** 3, "5000 GB"],
  ])("%d bytes are %s", (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});

describe("count", () => {
  it.each([
    [0, "0 files"],
    [1, "1 file"],
    [12_345, "12,345 files"],
  ])("%d", (value, text) => {
    expect(count(value, "file")).toBe(text);
  });
});
