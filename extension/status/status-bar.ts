// The status-bar item: what the sidecar is doing, and the way to the menu.

import { isDeepStrictEqual } from "node:util";
import { type Disposable, MarkdownString, StatusBarAlignment, ThemeColor, window } from "vscode";
import { command } from "../command-names";
import type { Overview } from "./status-model";
import { type StatusText, statusText } from "./status-text";

export function showStatusBar(overview: Overview): Disposable {
  const item = window.createStatusBarItem("selfracg.status", StatusBarAlignment.Right, 100);
  item.name = "SelfRACG";
  item.command = command.showMenu;
  let shown: StatusText | undefined;
  const update = (): void => {
    const look = statusText(overview.data, Date.now());
    // Every write closes a tooltip that is being read.
    if (isDeepStrictEqual(look, shown)) {
      return;
    }
    shown = look;
    const { text, label, tooltip, severity } = look;
    item.text = text;
    const markdown = new MarkdownString(tooltip, true);
    // What the sidecar says is in the text too: it must not be able to run anything else.
    markdown.isTrusted = { enabledCommands: Object.values(command) };
    item.tooltip = markdown;
    item.accessibilityInformation = { label, role: "button" };
    item.backgroundColor = severity === "error" ? new ThemeColor("statusBarItem.errorBackground") : undefined;
  };
  update();
  item.show();
  const listening = overview.onDidChange(update);
  return {
    dispose: () => {
      listening.dispose();
      item.dispose();
    },
  };
}
