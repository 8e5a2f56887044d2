// Tells VS Code what state there is, for the palette's conditions and the walkthrough's steps.

import { commands, type Disposable } from "vscode";
import type { Overview } from "./status-model";

export function followContextKeys(overview: Overview): Disposable {
  const known = new Map<string, boolean>();
  const set = (key: string, value: boolean): void => {
    if (known.get(key) !== value) {
      known.set(key, value);
      void commands.executeCommand("setContext", `selfracg.${key}`, value);
    }
  };
  const update = (): void => {
    const { status, last } = overview.data;
    set("snoozed", status.state === "snoozed");
    set("paused", status.paused === "asked");
    // Once true they stay so: they tick off steps of the walkthrough.
    if (status.state === "ready" && (status.index?.fragments ?? 0) > 0) set("indexed", true);
    if (last !== undefined) set("suggested", true);
  };
  update();
  return overview.onDidChange(update);
}
