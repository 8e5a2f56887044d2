// What the user can do about the present state: for the status bar's tooltip and the top of its menu.
import type { Settings } from "../../sidecar/protocol";
import { command } from "../command-names";
import { type StatusData, unavailableHere } from "./status-data";

/** A command with a name of its own. */
export interface Action {
  command: string;
  argument?: string | number;
  title: string;
  /** Name of a codicon. */
  icon: string;
}

const restart: Action = { command: command.restart, title: "Restart Sidecar", icon: "debug-restart" };
const log: Action = { command: command.showLog, title: "Show Log", icon: "output" };
const endSnooze: Action = { command: command.endSnooze, title: "End Snooze", icon: "bell" };
const resume: Action = { command: command.resumeIndexing, title: "Resume Indexing", icon: "debug-continue" };

/** What ends a state that the user may not want, the likeliest first. Empty where all is well. */
export function actionsFor(data: StatusData): Action[] {
  const { status, languageId } = data;
  switch (status.state) {
    case "error":
      // Only the sidecar's messages about a model package name the setting.
      return /selfracg\.model\b/.test(status.message)
        ? [{ command: command.chooseModel, title: "Choose Model", icon: "package" }, openSetting("model"), restart, log]
        : [restart, log];
    case "off":
      return [{ command: command.toggle, title: "Turn Suggestions On", icon: "circle-large-filled" }];
    case "snoozed":
      return [endSnooze];
    case "starting":
      return [];
    case "indexing":
    case "ready": {
      const off = unavailableHere(data);
      const actions: Action[] = [];
      if (off?.setting === "disabledLanguages" && languageId !== undefined) {
        actions.push({ command: command.toggleLanguage, title: `Turn On for ${languageId}`, icon: "code" });
      } else if (off?.setting !== undefined) {
        actions.push(openSetting(off.setting));
      }
      if (status.paused === "asked") actions.push(resume);
      if (status.paused === "battery") actions.push(openSetting("pauseOnBattery"));
      return actions;
    }
  }
}

function openSetting(name: keyof Settings): Action {
  return { command: command.openSettings, argument: name, title: `Open Setting ${name}`, icon: "settings-gear" };
}
