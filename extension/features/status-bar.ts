// The status-bar item: what the sidecar is doing, and the way to the inspector.

import { type Disposable, type ExtensionContext, MarkdownString, StatusBarAlignment, ThemeColor, window } from "vscode";
import type { SidecarSession } from "../session";
import { statusText } from "../status-text";
import { showInspectorCommand } from "./show-inspector";

export function register(_context: ExtensionContext, session: SidecarSession): Disposable {
  const item = window.createStatusBarItem("selfracg.status", StatusBarAlignment.Right, 100);
  item.name = "SelfRACG";
  item.command = showInspectorCommand;
  const update = (): void => {
    const { text, label, tooltip, severity } = statusText(session.status);
    item.text = text;
    item.tooltip = new MarkdownString(tooltip);
    item.accessibilityInformation = { label, role: "button" };
    item.backgroundColor = severity === "error" ? new ThemeColor("statusBarItem.errorBackground") : undefined;
  };
  update();
  item.show();
  const listening = session.onDidChangeStatus(update);
  return {
    dispose: () => {
      listening.dispose();
      item.dispose();
    },
  };
}
