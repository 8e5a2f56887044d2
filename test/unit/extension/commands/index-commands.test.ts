// The commands for the index: each asks the sidecar for its own, clearing only when the user says yes.

import { beforeEach, describe, expect, it, vi } from "vitest";
import { register } from "../../../../extension/commands/index-commands";
import type { SidecarSession } from "../../../../extension/session";
import { serverCommands } from "../../../../sidecar/protocol";

const registered = vi.hoisted(() => new Map<string, () => Promise<void>>());
const shown = vi.hoisted(() => ({
  answer: undefined as string | undefined,
  information: [] as string[],
  errors: [] as string[],
}));

vi.mock("vscode", () => ({
  Disposable: { from: (...disposables: unknown[]) => ({ disposables }) },
  commands: { registerCommand: (name: string, run: () => Promise<void>) => void registered.set(name, run) },
  window: {
    showInformationMessage: (text: string) => void shown.information.push(text),
    showErrorMessage: (text: string) => void shown.errors.push(text),
    showWarningMessage: async () => shown.answer,
  },
}));

describe("index commands", () => {
  const execute = vi.fn(async (_command: string): Promise<void> => {});
  beforeEach(() => {
    execute.mockReset();
    Object.assign(shown, { answer: undefined, information: [], errors: [] });
    register({} as never, { execute, log: { error() {} } } as unknown as SidecarSession);
  });

  it.each([
    ["selfracg.pauseIndexing", serverCommands.pauseIndexing],
    ["selfracg.resumeIndexing", serverCommands.resumeIndexing],
  ])("%s asks the sidecar and says so", async (name, command) => {
    await registered.get(name)?.();
    expect(execute).toHaveBeenCalledWith(command);
    expect(shown.information).toHaveLength(1);
  });

  it("clears after a yes only", async () => {
    await registered.get("selfracg.clearIndex")?.();
    expect(execute).not.toHaveBeenCalled();
    shown.answer = "Clear";
    await registered.get("selfracg.clearIndex")?.();
    expect(execute).toHaveBeenCalledWith(serverCommands.clearIndex);
  });

  it("shows the sidecar's reason when it refuses", async () => {
    execute.mockRejectedValueOnce(new Error("there is no running sidecar"));
    await registered.get("selfracg.pauseIndexing")?.();
    expect(shown.errors).toEqual([expect.stringContaining("no running sidecar")]);
    expect(shown.information).toEqual([]);
  });
});
