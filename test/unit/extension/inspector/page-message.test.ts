// What the inspector's page may and may not ask for.

import { describe, expect, it } from "vitest";
import { parsePageMessage } from "../../../../extension/inspector/page-message";

describe("parsePageMessage", () => {
  it("reads places by their number", () => {
    expect(parsePageMessage({ open: "cursor" })).toEqual({ type: "open", target: { kind: "cursor" } });
    expect(parsePageMessage({ open: "fragment:0" })).toEqual({ type: "open", target: { kind: "fragment", index: 0 } });
    expect(parsePageMessage({ open: "dropped:12" })).toEqual({ type: "open", target: { kind: "dropped", index: 12 } });
  });

  it("reads the commands that the page offers", () => {
    expect(parsePageMessage({ command: "toggle" })).toEqual({ type: "command", command: "selfracg.toggle" });
    expect(parsePageMessage({ command: "log" })).toEqual({ type: "command", command: "selfracg.showLog" });
  });

  it.each([
    null,
    undefined,
    "toggle",
    { command: "workbench.action.terminal.new" },
    { command: "toString" },
    { command: 1 },
    { open: "file:///etc/passwd" },
    { open: "fragment:-1" },
    { open: "fragment:1e9" },
    { open: "fragment:" },
    { open: 0 },
    { ready: true },
    [],
  ])("does nothing about %j", (message) => {
    expect(parsePageMessage(message)).toBeUndefined();
  });
});
