// Sets the context keys that package.json's conditions and the walkthrough's steps use.
import { commands, type Disposable } from "vscode";
import type { StatusModel } from "./status-model";

export function followContextKeys(statusModel: StatusModel): Disposable {
  const known = new Map<string, boolean>();
  const set = (key: string, value: boolean): void => {
    if (known.get(key) !== value) {
      known.set(key, value);
      void commands.executeCommand("setContext", `selfracg.${key}`, value);
    }
  };
  const update = (): void => {
    const { status, last } = statusModel.data;
    set("snoozed", status.state === "snoozed");
    set("paused", status.paused === "asked");
    // These stay true: they tick off steps of the walkthrough.
    if (status.state === "ready" && (status.index?.fragments ?? 0) > 0) set("indexed", true);
    if (last !== undefined) set("suggested", true);
  };
  update();
  return statusModel.onDidChange(update);
}
