// What the status bar says in each state.

import { describe, expect, it } from "vitest";
import { count, formatBytes, statusText } from "../../../extension/status-text";
import type { SidecarStatus } from "../../../sidecar/protocol";

const ready: SidecarStatus = {
  state: "ready",
  message: "Ready.",
  model: { name: "selfracg-default", version: "0.1.0" },
  provider: { name: "cpu", reason: "no CUDA library was found" },
  vectorIndex: { name: "faiss", reason: "the addon loaded" },
  index: { files: 96, fragments: 1204, embedded: 3, skipped: {}, storeBytes: 3_250_586 },
};

describe("statusText", () => {
  it("tells every state from the others, in text and for screen readers", () => {
    const states: SidecarStatus[] = [
      { state: "starting", message: "Starting." },
      { state: "indexing", message: "Indexing.", progress: { done: 3, total: 40 } },
      ready,
      { state: "off", message: "Switched off." },
      { state: "error", message: "model.onnx is missing." },
    ];
    expect(states.map((status) => statusText(status).text)).toEqual([
      "$(loading~spin) SelfRACG",
      "$(sync~spin) SelfRACG 3/40",
      "$(sparkle) SelfRACG",
      "$(circle-slash) SelfRACG",
      "$(error) SelfRACG",
    ]);
    expect(new Set(states.map((status) => statusText(status).label)).size).toBe(states.length);
    expect(states.map((status) => statusText(status).severity)).toEqual(["normal", "normal", "normal", "normal", "error"]);
  });

  it("shows indexing before its size is known", () => {
    expect(statusText({ state: "indexing", message: "Walking." }).text).toBe("$(sync~spin) SelfRACG");
  });

  it("names model, provider with reason, vector index and index size in the tooltip", () => {
    const { tooltip } = statusText(ready);
    expect(tooltip).toContain("Model: selfracg\\-default 0.1.0");
    expect(tooltip).toContain("Runs on: CPU \\(no CUDA library was found\\)");
    expect(tooltip).toContain("Vector index: faiss");
    expect(tooltip).toContain("Index: 1,204 fragments of 96 files, 3.1 MB on disk");
    expect(tooltip).toContain("Click to open the retrieval inspector");
  });

  it("gives an error's reason to the eye and to screen readers", () => {
    const status = statusText({ state: "error", message: "model.json: expected formatVersion 1, found 2." });
    expect(status.label).toContain("expected formatVersion 1, found 2");
    expect(status.tooltip).toContain("expected formatVersion 1, found 2");
  });

  it("keeps marks in a message from becoming links, icons or emphasis", () => {
    const { tooltip } = statusText({ state: "error", message: "[run](command:x) $(trash) *a*\n\n# b" });
    expect(tooltip).toContain("\\[run\\]\\(command:x\\) \\$\\(trash\\) \\*a\\* \\# b");
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
