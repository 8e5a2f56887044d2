// Requests that are suppressed in the editor, with a mock of VS Code.

import { beforeEach, describe, expect, it, vi } from "vitest";
import type { SidecarSession } from "../../../../extension/session";
import { suppressForSeveralCursors } from "../../../../extension/suggestions/suppress";

const window = vi.hoisted(() => ({
  activeTextEditor: undefined as { document: unknown; selections: unknown[] } | undefined,
}));

vi.mock("vscode", () => ({
  window: {
    get activeTextEditor() {
      return window.activeTextEditor;
    },
  },
}));

type Provide = NonNullable<SidecarSession["middleware"]["provideInlineCompletionItems"]>;
const document = {};

describe("several cursors", () => {
  let asked: number;
  let reason: string | undefined;
  let session: SidecarSession;

  beforeEach(() => {
    asked = 0;
    window.activeTextEditor = { document, selections: [{}] };
    session = { middleware: {} } as unknown as SidecarSession;
    suppressForSeveralCursors(session, {
      suppress: (given: string | undefined) => {
        reason = given;
      },
    } as never);
  });

  function ask(triggerKind: number): void {
    const provide = session.middleware.provideInlineCompletionItems as Provide;
    const result = provide(
      document as never,
      { line: 0, character: 0 } as never,
      { triggerKind } as never,
      {} as never,
      () => {
        asked += 1;
        return [];
      },
    );
    expect(result).toEqual(asked === 0 ? null : []);
  }

  it("do not suppress a request when there is only one", () => {
    ask(1);
    expect(asked).toBe(1);
    expect(reason).toBeUndefined();
  });

  it("suppress every request in their own editor only", () => {
    window.activeTextEditor = { document, selections: [{}, {}] };
    ask(1);
    ask(0);
    expect(asked).toBe(0);
    expect(reason).toBe("there are several cursors.");
    window.activeTextEditor = { document: {}, selections: [{}, {}] };
    ask(1);
    expect(asked).toBe(1);
  });
});
