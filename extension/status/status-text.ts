// What the status bar says, as plain data and text.
import type { CompletionTrace, IndexCounts } from "../../sidecar/protocol";
import { limits, machine } from "../environment";
import { escapeMarkdown } from "../escape";
import type { ModelWork } from "../models/model-texts";
import { type Action, actionsFor } from "./actions";
import { clockTime } from "./clock";
import { type StatusData, unavailableHere } from "./status-data";

/** The look of the status-bar item. `text` may hold `$(icon)` marks. */
export interface StatusText {
  text: string;
  /** For screen readers. */
  label: string;
  /** Markdown with icons and with links to the extension's own commands. */
  tooltip: string;
  severity: "normal" | "error";
}

/** The status-bar item. `now`: milliseconds since 1970. */
export function statusText(data: StatusData, now: number): StatusText {
  const { text, label } = headline(data, now);
  return { text, label, tooltip: tooltip(data), severity: data.status.state === "error" ? "error" : "normal" };
}

function headline(data: StatusData, now: number): { text: string; label: string } {
  const { status, work } = data;
  // A state that hides suggestions matters more.
  if (work !== undefined && (status.state === "ready" || status.state === "indexing" || status.state === "starting")) {
    const percent = work.percent === undefined ? "" : ` ${work.percent} %`;
    return { text: `$(cloud-download) SelfRACG${percent}`, label: `SelfRACG: ${work.title}${percent}` };
  }
  switch (status.state) {
    case "starting":
      return { text: "$(loading~spin) SelfRACG", label: "SelfRACG is starting" };
    case "indexing": {
      const { progress } = status;
      if (progress === undefined || progress.total === 0) {
        return { text: "$(sync~spin) SelfRACG", label: "SelfRACG is indexing the workspace" };
      }
      const [done, total] = [number(progress.done), number(progress.total)];
      return {
        text: `$(sync~spin) SelfRACG ${done}/${total}`,
        label: `SelfRACG is indexing, ${done} of ${total} files`,
      };
    }
    case "ready":
      return ready(data);
    case "snoozed": {
      const until = status.snoozedUntil === undefined ? "" : ` until ${clockTime(status.snoozedUntil, now)}`;
      return { text: `$(bell-slash) SelfRACG${until}`, label: `SelfRACG is snoozed${until}` };
    }
    case "off":
      return { text: "$(circle-slash) SelfRACG off", label: "SelfRACG is off" };
    case "error":
      return { text: "$(error) SelfRACG", label: `SelfRACG error: ${status.message}` };
  }
}

function ready(data: StatusData): { text: string; label: string } {
  const { status, last, languageId } = data;
  const off = unavailableHere(data);
  if (off !== undefined) {
    const where = off.setting === "disabledLanguages" && languageId !== undefined ? `in ${languageId}` : "here";
    return {
      text: `$(circle-slash) SelfRACG off ${where}`,
      label: `SelfRACG is off ${where}: ${off.reason ?? "no reason is given"}`,
    };
  }
  if (status.paused !== undefined) {
    return { text: "$(debug-pause) SelfRACG paused", label: "SelfRACG is ready, indexing is paused" };
  }
  if (last === undefined) return { text: "$(sparkle) SelfRACG", label: "SelfRACG is ready" };
  const time = milliseconds(last.timings.totalMs);
  const fragments = last.fragments.length;
  return {
    text: `$(sparkle) SelfRACG ${time} · ${fragments}`,
    label: `SelfRACG is ready, last suggestion in ${time} with ${count(fragments, "fragment")}`,
  };
}

function tooltip(data: StatusData): string {
  const { status, last, place } = data;
  const rows: [string, string][] = [];
  if (status.model !== undefined) {
    rows.push(["Model", `${status.model.name} ${status.model.version}`]);
  }
  if (status.provider !== undefined) {
    rows.push(["Runs on", `${status.provider.name.toUpperCase()} (${status.provider.reason})`]);
  }
  if (place.remoteName !== undefined) {
    rows.push(["Where", `on ${machine(place)}, with the workspace`]);
  }
  if (status.vectorIndex !== undefined) {
    rows.push(["Vector index", `${status.vectorIndex.name} (${status.vectorIndex.reason})`]);
  }
  if (status.index !== undefined) {
    rows.push(["Index", indexSummary(status.index)]);
  }
  if (last !== undefined) {
    rows.push(["Last suggestion", lastSummary(last)]);
  }
  const off = unavailableHere(data);
  return [
    `**SelfRACG** · ${escapeMarkdown(status.message)}`,
    ...(data.work === undefined ? [] : [escapeMarkdown(workText(data.work))]),
    ...(off?.reason === undefined ? [] : [`Here: ${escapeMarkdown(off.reason)}`]),
    ...(data.suppressed === undefined ? [] : [`No suggestion here: ${escapeMarkdown(data.suppressed)}`]),
    ...limits(place).map(escapeMarkdown),
    // Two spaces and a line break keep the rows in one paragraph.
    rows.map(([name, value]) => `${name}: ${escapeMarkdown(value)}`).join("  \n"),
    actionsFor(data).map(commandLink).join(" &nbsp; "),
    "_Click for the menu_",
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

function workText({ title, detail, percent }: ModelWork): string {
  const progress = detail || (percent === undefined ? "" : `${percent} %`);
  return `${title}${progress === "" ? "" : `: ${progress}`}. The model in use answers meanwhile.`;
}

function commandLink({ command, argument, title, icon }: Action): string {
  const given = argument === undefined ? "" : `?${encodeURIComponent(JSON.stringify([argument]))}`;
  return `[$(${icon}) ${escapeMarkdown(title)}](command:${command}${given})`;
}

/** For example "38 ms, from catalog.py and money.py". */
export function lastSummary(trace: CompletionTrace): string {
  const paths = [...new Set(trace.fragments.map(({ path }) => path))];
  const shown = paths.slice(0, 3).join(", ");
  const more = paths.length > 3 ? ` and ${count(paths.length - 3, "more file")}` : "";
  const used =
    paths.length === 0
      ? "from the open file alone"
      : `with ${count(trace.fragments.length, "fragment")} of ${shown}${more}`;
  return `${milliseconds(trace.timings.totalMs)}${trace.cached === true ? " at first, now from the cache" : ""}, ${used}`;
}

/** For example "1,204 fragments of 96 files, 3.1 MB on disk". */
export function indexSummary(index: IndexCounts): string {
  return `${count(index.fragments, "fragment")} of ${count(index.files, "file")}, ${formatBytes(index.storeBytes)} on disk`;
}

/** For example "1 file", "1,204 files". */
export function count(value: number, noun: string): string {
  return `${number(value)} ${noun}${value === 1 ? "" : "s"}`;
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

/** "38 ms", "1.4 s". */
function milliseconds(value: number): string {
  return value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
}

function number(value: number): string {
  return value.toLocaleString("en-US");
}
