// The messages that the inspector's page may send.

import { describe, expect, it } from "vitest";
import { parsePageMessage } from "../../../../extension/inspector/page-message";

describe("parsePageMessage", () => {
  it("reads locations by their number", () => {
    expect(parsePageMessage({ open: "cursor" })).toEqual({ type: "open", target: { kind: "cursor" } });
    expect(parsePageMessage({ open: "fragment:0" })).toEqual({ type: "open", target: { kind: "fragment", index: 0 } });
    expect(parsePageMessage({ open: "dropped:12" })).toEqual({ type: "open", target: { kind: "dropped", index: 12 } });
  });

  it("reads fragments and tokens by their number", () => {
    expect(parsePageMessage({ open: "found:3" })).toEqual({ type: "open", target: { kind: "found", index: 3 } });
    expect(parsePageMessage({ open: "token:41" })).toEqual({ type: "open", target: { kind: "token", index: 41 } });
  });

  it("reads requests for the prompt, the need, a comparison and a search", () => {
    expect(parsePageMessage({ ready: true })).toEqual({ type: "ready" });
    expect(parsePageMessage({ choose: 12 })).toEqual({ type: "choose", id: 12 });
    expect(parsePageMessage({ do: "follow" })).toEqual({ type: "follow" });
    expect(parsePageMessage({ do: "compare" })).toEqual({ type: "compare" });
    expect(parsePageMessage({ do: "copy" })).toEqual({ type: "copy", code: false });
    expect(parsePageMessage({ do: "copy-with-code" })).toEqual({ type: "copy", code: true });
    expect(parsePageMessage({ do: "clear-counts" })).toEqual({ type: "clear-counts" });
    expect(parsePageMessage({ section: "need", opened: true })).toEqual({
      type: "section",
      section: "need",
      open: true,
    });
    expect(parsePageMessage({ layer: "all" })).toEqual({ type: "layer", layer: "all" });
    expect(parsePageMessage({ layer: "5" })).toEqual({ type: "layer", layer: 5 });
    expect(parsePageMessage({ rule: "pin:fragment:0" })).toEqual({
      type: "rule",
      rule: "pin",
      target: { kind: "fragment", index: 0 },
    });
    expect(parsePageMessage({ rule: "ban:found:7" })).toEqual({
      type: "rule",
      rule: "ban",
      target: { kind: "found", index: 7 },
    });
  });

  it("cuts a long search from the left, away from the cursor", () => {
    expect(parsePageMessage({ search: "money." })).toEqual({ type: "search", text: "money." });
    const long = parsePageMessage({ search: `${"x".repeat(200_000)}end` });
    expect(long).toMatchObject({ type: "search", text: expect.stringMatching(/^x+end$/) });
    expect(JSON.stringify(long).length).toBeLessThan(100_100);
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
    { open: "token:" },
    { choose: "1" },
    { choose: 1.5 },
    { choose: Number.NaN },
    { do: "toString" },
    { do: "erase" },
    { section: "fragments", opened: true },
    { section: "need" },
    { section: "need", opened: "yes" },
    { layer: 1 },
    { layer: "1e3" },
    { layer: "" },
    { search: 1 },
    { rule: "pin:cursor" },
    { rule: "pin:token:1" },
    { rule: "burn:fragment:1" },
    { rule: "pin:/etc/passwd" },
    [],
  ])("ignores %j", (message) => {
    expect(parsePageMessage(message)).toBeUndefined();
  });
});
