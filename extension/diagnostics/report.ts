// The page that "Collect Diagnostics" opens: what a bug report needs, with paths and no code.
import type { Availability, CompletionTrace, SidecarStatus } from "../../sidecar/protocol";
import { type Environment, limits, machine } from "../environment";
import { traceFacts } from "./trace-facts";

export interface DiagnosticsData {
  /** Name to value, in order. */
  versions: Record<string, string>;
  place: Environment;
  settings: Record<string, unknown>;
  status: SidecarStatus;
  /** The active file, if there is one, and whether it gets suggestions, where the sidecar could be asked. */
  activeFile?: { uri: string; languageId: string; here?: Availability };
  /** Newest first, each with its file from its workspace folder. */
  traces: readonly { readonly trace: CompletionTrace; readonly file: string }[];
  /** The log's last messages, oldest first. */
  log: readonly string[];
  /** The user's home folder: written as `~`, since it holds the user's name. */
  home: string;
}

/** Markdown. */
export function diagnosticsReport(data: DiagnosticsData): string {
  const { place, activeFile } = data;
  const { index, ...status } = data.status;
  const parts = [
    "# SelfRACG diagnostics",
    "This page is on your machine alone; nothing was sent. It holds no code of yours, but it does hold **names of files and folders**, in the last suggestions and in the log. Look at it before you share it, and take out what nobody should see.",
    "## Versions and machine",
    list({
      ...data.versions,
      "Sidecar runs on": machine(place),
      "Workspace trusted": place.trusted ? "yes" : "no",
      "Workspace folders": folders(place),
    }),
    ...limits(place),
    "## Status",
    json(status),
    "## Index",
    json(index ?? null),
    "## Settings",
    json(data.settings),
    "## Active file",
    activeFile === undefined ? "None." : json(activeFile),
    "## Last suggestions",
    data.traces.length === 0
      ? "None."
      : json(data.traces.map(({ trace, file }) => ({ ...traceFacts(trace, file), dropped: trace.dropped.length }))),
    "## Log",
    data.log.length === 0 ? "Empty." : fenced("text", data.log.join("\n")),
  ];
  return `${withoutHome(parts.join("\n\n"), data.home)}\n`;
}

/** The home folder as `~`, also where its path is written as a URI or in JSON. */
export function withoutHome(text: string, home: string): string {
  const forms = [
    home,
    JSON.stringify(home).slice(1, -1),
    home.replaceAll("\\", "/"),
    encodeURI(home.replaceAll("\\", "/")),
  ];
  return (
    [...new Set(forms)]
      // A home of "/" or "" would stand everywhere.
      .filter((form) => form.length > 1)
      .sort((a, b) => b.length - a.length)
      .reduce((result, form) => result.replaceAll(form, "~"), text)
  );
}

function folders({ folderSchemes }: Environment): string {
  return folderSchemes.length === 0 ? "none" : `${folderSchemes.length} (${[...new Set(folderSchemes)].join(", ")})`;
}

function list(values: Record<string, string>): string {
  return Object.entries(values)
    .map(([name, value]) => `- ${name}: ${value}`)
    .join("\n");
}

function json(value: unknown): string {
  return fenced("json", JSON.stringify(value, null, 2));
}

/** A fence longer than any in the text. */
function fenced(language: string, text: string): string {
  const maxRun = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = "`".repeat(maxRun + 1);
  return `${fence}${language}\n${text}\n${fence}`;
}
