// The status bar's menu, as plain data: what can be done now, in groups.
import { command } from "../command-names";
import { type Action, actionsFor } from "./actions";
import { clockTime, tomorrowMorning } from "./clock";
import type { StatusData } from "./status-data";
import { indexSummary } from "./status-text";

export interface MenuEntry extends Action {
  /** Beside the title. */
  description?: string;
}

export interface MenuGroup {
  title: string;
  entries: MenuEntry[];
}

/** Lengths of a snooze that are offered, in minutes. */
export const snoozeMinutes: readonly number[] = [5, 15, 60];

/** The lengths of a snooze; the argument is in minutes. `now`: milliseconds since 1970. */
export function snoozeEntries(now: number): MenuEntry[] {
  const entry = (title: string, minutes: number): MenuEntry => ({
    command: command.snooze,
    argument: minutes,
    title,
    icon: "bell-slash",
    description: `until ${clockTime(now + minutes * 60_000, now)}`,
  });
  return [
    ...snoozeMinutes.map((minutes) =>
      entry(minutes === 60 ? "Snooze for an Hour" : `Snooze for ${minutes} Minutes`, minutes),
    ),
    entry("Snooze Until Tomorrow", Math.ceil((tomorrowMorning(now) - now) / 60_000)),
  ];
}

/** The groups in order; what ends an unwanted state comes first. No entry is there twice. */
export function menuGroups(
  data: StatusData,
  options: { now: number; folders: boolean; disabledLanguages: readonly string[] },
): MenuGroup[] {
  const { status, languageId } = data;
  const suggestions: MenuEntry[] = [
    status.state === "off"
      ? { command: command.toggle, title: "Turn Suggestions On", icon: "circle-large-filled" }
      : { command: command.toggle, title: "Turn Suggestions Off", icon: "circle-slash" },
  ];
  if (status.state === "snoozed") {
    suggestions.push({ command: command.endSnooze, title: "End Snooze", icon: "bell" });
  } else if (status.state === "ready" || status.state === "indexing") {
    suggestions.push(...snoozeEntries(options.now));
  }
  if (languageId !== undefined) {
    const off = options.disabledLanguages.includes(languageId);
    suggestions.push({
      command: command.toggleLanguage,
      title: off ? `Turn On for ${languageId}` : `Turn Off for ${languageId}`,
      icon: "code",
      description: "the language of the active file",
    });
  }
  const index: MenuEntry[] = [];
  if (options.folders) {
    const { paused } = status;
    if (paused === undefined) {
      const description = status.index === undefined ? {} : { description: indexSummary(status.index) };
      index.push({ command: command.reindex, title: "Re-index Workspace", icon: "refresh", ...description });
      index.push({ command: command.pauseIndexing, title: "Pause Indexing", icon: "debug-pause" });
    } else if (paused === "asked") {
      index.push({ command: command.resumeIndexing, title: "Resume Indexing", icon: "debug-continue" });
    }
  }
  const model = status.model === undefined ? {} : { description: `${status.model.name} ${status.model.version}` };
  const groups: MenuGroup[] = [
    { title: "Now", entries: actionsFor(data) },
    { title: "Suggestions", entries: suggestions },
    { title: "Index", entries: index },
    {
      title: "A closer look",
      entries: [
        { command: command.showInspector, title: "Show Retrieval Inspector", icon: "inspect" },
        { command: command.showLog, title: "Show Log", icon: "output" },
        { command: command.collectDiagnostics, title: "Collect Diagnostics", icon: "checklist" },
      ],
    },
    {
      title: "Model and settings",
      entries: [
        { command: command.chooseModel, title: "Choose Model", icon: "package", ...model },
        { command: command.restart, title: "Restart Sidecar", icon: "debug-restart" },
        { command: command.openSettings, title: "Open Settings", icon: "settings-gear" },
        { command: command.getStarted, title: "Get Started", icon: "book" },
      ],
    },
  ];
  const seen = new Set<string>();
  return groups
    .map(({ title, entries }) => ({ title, entries: entries.filter((entry) => isNew(entry, seen)) }))
    .filter(({ entries }) => entries.length > 0);
}

function isNew({ command: name, argument }: MenuEntry, seen: Set<string>): boolean {
  const key = `${name} ${argument ?? ""}`;
  const fresh = !seen.has(key);
  seen.add(key);
  return fresh;
}
