// What the status bar says about the sidecar, as plain data and text.

import type { IndexCounts, SidecarStatus } from "../sidecar/protocol";

/** The look of the status-bar item. `text` may hold `$(icon)` marks. */
export interface StatusText {
  text: string;
  /** For screen readers. */
  label: string;
  /** Markdown. */
  tooltip: string;
  severity: "normal" | "error";
}

/** The status-bar item for a status. */
export function statusText(status: SidecarStatus): StatusText {
  const { text, label } = headline(status);
  return { text, label, tooltip: tooltip(status), severity: status.state === "error" ? "error" : "normal" };
}

function headline(status: SidecarStatus): { text: string; label: string } {
  switch (status.state) {
    case "starting":
      return { text: "$(loading~spin) SelfRACG", label: "SelfRACG is starting" };
    case "indexing": {
      const { progress } = status;
      if (progress === undefined) {
        return { text: "$(sync~spin) SelfRACG", label: "SelfRACG is indexing the workspace" };
      }
      return {
        text: `$(sync~spin) SelfRACG ${progress.done}/${progress.total}`,
        label: `SelfRACG is indexing, ${progress.done} of ${progress.total} files`,
      };
    }
    case "ready":
      return status.paused === undefined
        ? { text: "$(sparkle) SelfRACG", label: "SelfRACG is ready" }
        : { text: "$(debug-pause) SelfRACG", label: "SelfRACG is ready, indexing is paused" };
    case "snoozed":
      return { text: "$(bell-slash) SelfRACG", label: `SelfRACG is snoozed: ${status.message}` };
    case "off":
      return { text: "$(circle-slash) SelfRACG", label: "SelfRACG is off" };
    case "error":
      return { text: "$(error) SelfRACG", label: `SelfRACG error: ${status.message}` };
  }
}

function tooltip(status: SidecarStatus): string {
  const rows: [string, string][] = [];
  if (status.model !== undefined) {
    rows.push(["Model", `${status.model.name} ${status.model.version}`]);
  }
  if (status.provider !== undefined) {
    rows.push(["Runs on", `${status.provider.name.toUpperCase()} (${status.provider.reason})`]);
  }
  if (status.vectorIndex !== undefined) {
    rows.push(["Vector index", `${status.vectorIndex.name} (${status.vectorIndex.reason})`]);
  }
  if (status.index !== undefined) {
    rows.push(["Index", indexSummary(status.index)]);
  }
  return [
    `**SelfRACG** · ${escapeMarkdown(status.message)}`,
    ...rows.map(([name, value]) => `${name}: ${escapeMarkdown(value)}`),
    "_Click to open the retrieval inspector_",
  ].join("\n\n");
}

/** For example "1,204 fragments of 96 files, 3.1 MB on disk". */
export function indexSummary(index: IndexCounts): string {
  return `${count(index.fragments, "fragment")} of ${count(index.files, "file")}, ${formatBytes(index.storeBytes)} on disk`;
}

/** For example "1 file", "1,204 files". */
export function count(value: number, noun: string): string {
  return `${value.toLocaleString("en-US")} ${noun}${value === 1 ? "" : "s"}`;
}

/** Bytes in the unit that keeps the number short, with powers of 1024. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KB", "MB", "GB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Paths and reasons hold characters that Markdown would read as marks, and `$(` that VS Code would read as an icon. */
function escapeMarkdown(text: string): string {
  return text.replace(/[\\`*_{}[\]()#+\-!<>|~$]/g, "\\$&").replace(/\s+/g, " ");
}
