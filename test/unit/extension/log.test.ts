// The recorded part of the log, and that the channel still gets every line.

import { describe, expect, it } from "vitest";
import type { LogOutputChannel } from "vscode";
import { type RecordedLog, recordedLog } from "../../../extension/log";

function log(logLevel: number): RecordedLog & { sent: string[] } {
  const sent: string[] = [];
  const send = (level: string) => (message: string | Error) => void sent.push(`${level} ${message}`);
  const channel = {
    name: "SelfRACG",
    logLevel,
    trace: send("trace"),
    debug: send("debug"),
    info: send("info"),
    warn: send("warn"),
    error: send("error"),
    append: send("append"),
    appendLine: send("appendLine"),
  };
  return {
    ...recordedLog(channel as unknown as LogOutputChannel, () => Date.UTC(2026, 4, 20, 14, 20, 1, 500)),
    sent,
  };
}

describe("the recorded log", () => {
  it("records time, level and message from the channel's level up", () => {
    const { log: recorded, messages, sent } = log(3);
    recorded.debug("unseen");
    recorded.info("seen", { toString: () => "more" });
    recorded.warn("a warning\n");
    recorded.appendLine("a line");
    expect(messages).toEqual([
      "2026-05-20 14:20:01.500 [info] seen more",
      "2026-05-20 14:20:01.500 [warning] a warning",
      "2026-05-20 14:20:01.500 [info] a line",
    ]);
    expect(sent).toEqual(["debug unseen", "info seen", "warn a warning\n", "appendLine a line"]);
  });

  it("records nothing while the log is off, and never traces, which contain code", () => {
    const off = log(0);
    off.log.error("x");
    expect(off.messages).toEqual([]);
    const all = log(1);
    all.log.trace("x");
    all.log.error(new Error("broken"));
    expect(all.messages).toEqual([expect.stringContaining("[error] Error: broken")]);
  });

  it("drops the oldest lines", () => {
    const { log: recorded, messages } = log(3);
    for (let each = 0; each < 250; each += 1) recorded.info(`${each}`);
    expect(messages).toHaveLength(200);
    expect(messages[0]).toMatch(/ 50$/);
  });
});
