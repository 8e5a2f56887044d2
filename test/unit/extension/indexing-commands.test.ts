// The commands of the index: their requests to the sidecar and their messages, with a mock of VS Code's windows.

import { beforeEach, describe, expect, it, vi } from "vitest";
import type { IndexingCommands as Commands } from "../../../extension/indexing-commands";
import type { SidecarSession } from "../../../extension/session";
import { type Explanation, serverCommands } from "../../../sidecar/protocol";

const shown: string[] = [];
const opened: unknown[] = [];
let active: { document: { uri: unknown } } | undefined;
let choice: string | undefined;

class FakeUri {
  constructor(readonly path: string) {}

  static file(path: string): FakeUri {
    return new FakeUri(path);
  }

  toString(): string {
    return `file://${this.path}`;
  }
}

vi.mock("vscode", () => ({
  Uri: FakeUri,
  Range: class {
    constructor(...places: number[]) {
      Object.assign(this, { places });
    }
  },
  window: {
    get activeTextEditor() {
      return active;
    },
    showInformationMessage: async (message: string, ...buttons: string[]) => {
      shown.push([message, ...buttons].join(" | "));
      return choice;
    },
    showErrorMessage: async (message: string) => void shown.push(`error: ${message}`),
    showWarningMessage: async () => choice,
    showTextDocument: async (uri: FakeUri, options: { selection: { places: number[] } }) =>
      void opened.push([uri.path, options.selection.places]),
  },
}));

const { IndexingCommands } = await import("../../../extension/indexing-commands");

const indexed: Explanation = {
  path: "a.py",
  state: "indexed",
  message: "a.py is indexed as 1 fragment: lines 1-2.",
  fragments: [{ startLine: 1, endLine: 2 }],
};
const ignored: Explanation = {
  path: "b.py",
  state: "left-out",
  message: "b.py is not indexed (ignored).",
  rule: { source: "/w/.gitignore", line: 3, pattern: "*.py" },
  fragments: [],
};

describe.each([
  ["pause", serverCommands.pauseIndexing],
  ["resume", serverCommands.resumeIndexing],
  ["clear", serverCommands.clearIndex],
] as const)("%s", (name, command) => {
  let execute: ReturnType<typeof vi.fn>;
  let indexing: Commands;

  beforeEach(() => {
    shown.length = 0;
    choice = "Clear";
    execute = vi.fn(async () => null);
    indexing = new IndexingCommands({ execute, log: { error() {} } } as unknown as SidecarSession);
  });

  it("asks the sidecar and reports the result", async () => {
    await indexing[name]();
    expect(execute).toHaveBeenCalledWith(command);
    expect(shown).toEqual([expect.stringMatching(/^SelfRACG: .*\.$/)]);
  });

  it("shows the sidecar's reason when it refuses", async () => {
    execute.mockRejectedValueOnce(new Error("there is no running sidecar"));
    await indexing[name]();
    expect(shown).toEqual([expect.stringMatching(/^error: .*no running sidecar$/)]);
  });
});

it("the index is not cleared until the user confirms it", async () => {
  choice = undefined;
  const execute = vi.fn();
  await new IndexingCommands({ execute } as unknown as SidecarSession).clear();
  expect(execute).not.toHaveBeenCalled();
});

describe("explain", () => {
  let asked: string[];
  let answer: Explanation | Error;
  let run: (clicked?: unknown) => Promise<void>;

  beforeEach(() => {
    shown.length = 0;
    opened.length = 0;
    asked = [];
    answer = indexed;
    active = { document: { uri: new FakeUri("/w/a.py") } };
    choice = undefined;
    const session = {
      log: { info: () => {}, error: () => {} },
      execute: async (_command: unknown, uri: string) => {
        asked.push(uri);
        if (answer instanceof Error) throw answer;
        return answer;
      },
    };
    const indexing = new IndexingCommands(session as unknown as SidecarSession);
    run = (clicked) => indexing.explain(clicked);
  });

  it("asks about the open file, or about the file that was clicked", async () => {
    await run();
    await run(new FakeUri("/w/clicked"));
    expect(asked).toEqual(["file:///w/a.py", "file:///w/clicked"]);
    expect(shown[0]).toBe("SelfRACG: a.py is indexed as 1 fragment: lines 1-2.");
  });

  it("opens the ignore file at the line of the rule on request", async () => {
    answer = ignored;
    await run();
    expect(opened).toEqual([]);
    choice = "Open Rule";
    await run();
    expect(shown[1]).toBe("SelfRACG: b.py is not indexed (ignored). | Open Rule");
    expect(opened).toEqual([["/w/.gitignore", [2, 0, 2, 4]]]);
  });

  it("offers nothing to open for a rule of the settings, and reports what it cannot explain", async () => {
    answer = { ...ignored, rule: { source: "selfracg.exclude", pattern: "*.py" } };
    await run();
    answer = new Error("there is no running sidecar to ask");
    await run();
    active = undefined;
    await run();
    expect(shown).toEqual([
      "SelfRACG: b.py is not indexed (ignored).",
      "error: SelfRACG: the file could not be explained: there is no running sidecar to ask",
      "SelfRACG: open a file first, or choose one in the explorer.",
    ]);
    expect(asked).toHaveLength(2);
  });
});
