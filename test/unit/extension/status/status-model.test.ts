// The status of the active document, for which old answers never replace newer ones, with a mock of VS Code.

import { beforeEach, describe, expect, it, vi } from "vitest";
import type { SidecarSession } from "../../../../extension/session";
import { StatusModel } from "../../../../extension/status/status-model";
import type { Availability, CompletionTrace, SidecarStatus } from "../../../../sidecar/protocol";

const vscode = vi.hoisted(() => {
  class Emitter {
    listeners: ((value: unknown) => void)[] = [];
    event = (listener: (value: unknown) => void) => {
      this.listeners.push(listener);
      return { dispose() {} };
    };
    fire = (value?: unknown) => {
      for (const listener of this.listeners) listener(value);
    };
    dispose() {}
  }
  const editor = new Emitter();
  const none = new Emitter();
  const state = { activeTextEditor: undefined as unknown };
  return {
    Emitter,
    editor,
    state,
    module: {
      EventEmitter: Emitter,
      env: { remoteName: "wsl" },
      window: {
        get activeTextEditor() {
          return state.activeTextEditor;
        },
        onDidChangeActiveTextEditor: editor.event,
      },
      workspace: {
        isTrusted: true,
        workspaceFolders: [],
        onDidOpenTextDocument: none.event,
        onDidChangeWorkspaceFolders: none.event,
        onDidGrantWorkspaceTrust: none.event,
      },
    },
  };
});
vi.mock("vscode", () => vscode.module);

const editorOf = (scheme: string, name: string, viewColumn: number | null = 1) => ({
  viewColumn: viewColumn ?? undefined,
  document: { languageId: "python", uri: { scheme, toString: () => `${scheme}:///${name}` } },
});
const settled = () => new Promise((next) => setTimeout(next, 5));

describe("StatusModel", () => {
  const status = new vscode.Emitter();
  const trace = new vscode.Emitter();
  let answers: Map<string, Promise<Availability>>;
  let asked: string[];
  let session: SidecarSession;
  let statusModel: StatusModel;

  beforeEach(() => {
    status.listeners = [];
    trace.listeners = [];
    vscode.editor.listeners = [];
    vscode.state.activeTextEditor = undefined;
    answers = new Map();
    asked = [];
    const fake = {
      status: { state: "ready", message: "" } satisfies SidecarStatus,
      middleware: {},
      log: { debug() {} },
      onDidChangeStatus: status.event,
      onDidComplete: trace.event,
      client: () => ({
        sendRequest: async (_type: unknown, { uri }: { uri: string }) => {
          asked.push(uri);
          return (await answers.get(uri)) ?? { available: true };
        },
      }),
    };
    session = fake as unknown as SidecarSession;
    statusModel = new StatusModel(session);
  });

  function open(editor: unknown): void {
    vscode.state.activeTextEditor = editor;
    vscode.editor.fire(editor);
  }

  it("has the sidecar's answer for the active document", async () => {
    answers.set("file:///a.md", Promise.resolve({ available: false, reason: "Off.", setting: "disabledLanguages" }));
    open(editorOf("file", "a.md"));
    await settled();
    expect(statusModel.data).toMatchObject({
      languageId: "python",
      here: { available: false, reason: "Off." },
      place: { remoteName: "wsl" },
    });
    open(undefined);
    await settled();
    expect(statusModel.data.here).toBeUndefined();
  });

  it("ignores an answer to an older question", async () => {
    let answer: (value: Availability) => void = () => {};
    answers.set("file:///slow", new Promise((resolve) => (answer = resolve)));
    open(editorOf("file", "slow"));
    open(editorOf("file", "fast"));
    await settled();
    answer({ available: false, reason: "Late." });
    await settled();
    expect(statusModel.data.here).toEqual({ available: true });
  });

  it("has a reason of its own for virtual documents, and none for outputs and comparisons", async () => {
    open(editorOf("vscode-vfs", "a.py"));
    await settled();
    expect(statusModel.data.here?.reason).toContain('"vscode-vfs"');
    expect(statusModel.data.languageId).toBeUndefined();
    open(editorOf("git", "a.py", null));
    await settled();
    expect(statusModel.data.here).toBeUndefined();
    expect(asked).toEqual([]);
  });

  it("has no availability when the sidecar cannot answer", async () => {
    answers.set("file:///a", Promise.reject(new Error("no such method")));
    open(editorOf("file", "a"));
    await settled();
    expect(statusModel.data.here).toBeUndefined();
  });

  it("asks again after a change of settings, and not for each progress of indexing", async () => {
    open(editorOf("file", "a"));
    await session.middleware.workspace?.configuration?.({ items: [] }, {} as never, () => []);
    await settled();
    expect(asked).toHaveLength(2);
    status.fire({ state: "ready" });
    expect(asked).toHaveLength(2);
  });

  it("has the reason for a suppressed request until the next request or another editor", () => {
    const shown: unknown[] = [];
    statusModel.onDidChange(() => shown.push(statusModel.data.suppressed));
    statusModel.suppress("there are several cursors.");
    statusModel.suppress("there are several cursors.");
    statusModel.suppress(undefined);
    statusModel.suppress("there are several cursors.");
    open(undefined);
    expect(shown.slice(0, 4)).toEqual([
      "there are several cursors.",
      undefined,
      "there are several cursors.",
      undefined,
    ]);
  });

  it("has the last completion with a suggestion", () => {
    trace.fire({ id: 1, suggestion: "x" } as CompletionTrace);
    trace.fire({ id: 2, suggestion: "" } as CompletionTrace);
    expect(statusModel.data.last?.id).toBe(1);
  });
});
