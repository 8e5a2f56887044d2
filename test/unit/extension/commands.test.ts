// Every command of package.json is registered, and does what its name says.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { command } from "../../../extension/command-names";
import { type CommandParts, registerCommands } from "../../../extension/commands";

const registered = vi.hoisted(() => new Map<string, (given?: unknown) => unknown>());
const executed = vi.hoisted(() => [] as unknown[][]);
const editor = vi.hoisted(() => ({ languageId: undefined as string | undefined }));

vi.mock("vscode", () => ({
  Disposable: { from: (...disposables: unknown[]) => ({ disposables }) },
  ThemeIcon: class {},
  commands: {
    registerCommand: (name: string, run: () => unknown) => void registered.set(name, run),
    executeCommand: (...given: unknown[]) => void executed.push(given),
  },
  window: {
    get activeTextEditor() {
      return editor.languageId === undefined ? undefined : { document: { languageId: editor.languageId } };
    },
    showInformationMessage: async () => undefined,
  },
}));
vi.mock("../../../extension/inspector/panel", () => ({}));

describe("the commands", () => {
  const setEnabled = vi.fn();
  const setDisabledLanguages = vi.fn();
  const snooze = { start: vi.fn(), end: vi.fn() };
  const inspector = { show: vi.fn() };
  const restart = vi.fn();

  beforeEach(() => {
    vi.clearAllMocks();
    executed.length = 0;
    editor.languageId = undefined;
    const settings = { enabled: true, disabledLanguages: ["markdown"], setEnabled, setDisabledLanguages };
    registerCommands({
      context: { extension: { id: "selfracg.selfracg-code" } },
      session: { settings, restart },
      statusModel: {},
      snooze,
      inspector,
    } as unknown as CommandParts);
  });

  it("are those of package.json, each once", () => {
    const manifest = JSON.parse(readFileSync(join(import.meta.dirname, "../../../package.json"), "utf8"));
    const declared = manifest.contributes.commands.map((each: { command: string }) => each.command);
    expect([...registered.keys()].sort()).toEqual(declared.sort());
  });

  it("switch suggestions off, snooze, show the inspector and restart", async () => {
    for (const name of [command.toggle, command.endSnooze, command.showInspector, command.restart])
      await registered.get(name)?.();
    await registered.get(command.snooze)?.(15);
    expect(setEnabled).toHaveBeenCalledWith(false);
    expect(snooze.end).toHaveBeenCalledOnce();
    expect(snooze.start).toHaveBeenCalledWith(15);
    expect(inspector.show).toHaveBeenCalledOnce();
    expect(restart).toHaveBeenCalledOnce();
  });

  it("add the active file's language to the disabled ones, or remove it", async () => {
    await registered.get(command.toggleLanguage)?.();
    expect(setDisabledLanguages).not.toHaveBeenCalled();
    editor.languageId = "python";
    await registered.get(command.toggleLanguage)?.();
    expect(setDisabledLanguages).toHaveBeenLastCalledWith(["markdown", "python"]);
    editor.languageId = "markdown";
    await registered.get(command.toggleLanguage)?.();
    expect(setDisabledLanguages).toHaveBeenLastCalledWith([]);
  });

  it("open the extension's settings or one of them, and the walkthrough", async () => {
    await registered.get(command.openSettings)?.();
    await registered.get(command.openSettings)?.("maxTokens");
    await registered.get(command.getStarted)?.();
    expect(executed).toEqual([
      ["workbench.action.openSettings", "@ext:selfracg.selfracg-code"],
      ["workbench.action.openSettings", "@id:selfracg.maxTokens"],
      ["workbench.action.openWalkthrough", "selfracg.selfracg-code#getStarted", false],
    ]);
  });
});
