// The status-bar item: what the sidecar is doing; a click opens the menu.
import { isDeepStrictEqual } from "node:util";
import { type Disposable, MarkdownString, StatusBarAlignment, ThemeColor, window } from "vscode";
import { command } from "../command-names";
import type { StatusModel } from "./status-model";
import { type StatusText, statusText } from "./status-text";

export function showStatusBar(statusModel: StatusModel): Disposable {
  const item = window.createStatusBarItem("selfracg.status", StatusBarAlignment.Right, 100);
  item.name = "SelfRACG";
  item.command = command.showMenu;
  let shown: StatusText | undefined;
  const update = (): void => {
    const look = statusText(statusModel.data, Date.now());
    // Every write closes a tooltip that is being read.
    if (isDeepStrictEqual(look, shown)) {
      return;
    }
    shown = look;
    const { text, label, tooltip, severity } = look;
    item.text = text;
    const markdown = new MarkdownString(tooltip, true);
    // The text holds messages of the sidecar too: it must not run any other command.
    markdown.isTrusted = { enabledCommands: Object.values(command) };
    item.tooltip = markdown;
    item.accessibilityInformation = { label, role: "button" };
    item.backgroundColor = severity === "error" ? new ThemeColor("statusBarItem.errorBackground") : undefined;
  };
  update();
  item.show();
  const listening = statusModel.onDidChange(update);
  return {
    dispose: () => {
      listening.dispose();
      item.dispose();
    },
  };
}
