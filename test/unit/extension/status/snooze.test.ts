// A snooze and the sidecar, also after a restart, with a mock of VS Code.

import { beforeEach, describe, expect, it, vi } from "vitest";
import type { SidecarSession } from "../../../../extension/session";
import { Snooze } from "../../../../extension/status/snooze";
import { type SidecarStatus, serverCommands } from "../../../../sidecar/protocol";

const shown = vi.hoisted(() => ({ choose: 0 as number | undefined, errors: [] as string[] }));

vi.mock("vscode", () => ({
  window: {
    showQuickPick: async (items: unknown[]) => (shown.choose === undefined ? undefined : items[shown.choose]),
    showErrorMessage: (text: string) => void shown.errors.push(text),
  },
}));

describe("a snooze", () => {
  /** The sidecar's answer to a snooze of this many minutes. */
  const execute = vi.fn(
    async (_command: string, minutes: number): Promise<SidecarStatus> =>
      minutes === 0
        ? { state: "ready", message: "" }
        : { state: "snoozed", message: "", snoozedUntil: Date.now() + minutes * 60_000 },
  );
  const memory = new Map<string, unknown>();
  let start: () => void = () => {};
  let snooze: Snooze;

  beforeEach(() => {
    execute.mockClear();
    memory.clear();
    Object.assign(shown, { choose: 0, errors: [] });
    const memento = {
      get: (key: string) => memory.get(key),
      update: async (key: string, value: unknown) => void memory.set(key, value),
    };
    const session = {
      execute,
      log: { error() {}, warn() {} },
      onDidStart: (listener: () => void) => {
        start = listener;
        return { dispose() {} };
      },
    };
    snooze = new Snooze(memento as never, session as unknown as SidecarSession);
  });

  it("has the length given by the menu, or asks for one", async () => {
    await snooze.start(15);
    shown.choose = 2;
    await snooze.start();
    shown.choose = undefined;
    await snooze.start("forever");
    expect(execute.mock.calls).toEqual([
      [serverCommands.snooze, 15],
      [serverCommands.snooze, 60],
    ]);
  });

  it("continues in a new sidecar for the remaining time, until it is ended", async () => {
    await snooze.start(15);
    memory.set("snoozedUntil", Date.now() + 6 * 60_000);
    start();
    const [, minutes] = execute.mock.calls.at(-1) ?? [];
    expect(minutes).toBeGreaterThan(5.9);
    expect(minutes).toBeLessThanOrEqual(6);
    await snooze.end();
    expect(execute).toHaveBeenLastCalledWith(serverCommands.snooze, 0);
    start();
    expect(execute).toHaveBeenCalledTimes(3);
  });

  it("is cleared when it is over", async () => {
    memory.set("snoozedUntil", Date.now() - 1);
    start();
    expect(execute).not.toHaveBeenCalled();
    expect(memory.get("snoozedUntil")).toBeUndefined();
  });

  it("shows the sidecar's reason when it refuses", async () => {
    execute.mockRejectedValueOnce(new Error("there is no running sidecar"));
    await snooze.start(5);
    expect(shown.errors).toEqual([expect.stringContaining("no running sidecar")]);
  });
});
