// The diagnostics report has what a bug report needs, without code and user names.

import { describe, expect, it } from "vitest";
import { type DiagnosticsData, diagnosticsReport, withoutHome } from "../../../../extension/diagnostics/report";
import type { CompletionTrace } from "../../../../sidecar/protocol";

const trace: CompletionTrace = {
  id: 7,
  uri: "file:///home/ada/shop/a.py",
  languageId: "python",
  position: { line: 3, character: 4 },
  suggestion: "secret_code()",
  stopReason: "end-of-statement",
  fragments: [
    {
      path: "b.py",
      uri: "file:///home/ada/shop/b.py",
      startLine: 1,
      endLine: 9,
      score: 0.5,
      tokens: 40,
      scope: ["class SecretCode:"],
    },
  ],
  dropped: [
    {
      path: "c.py",
      uri: "file:///home/ada/shop/c.py",
      startLine: 1,
      endLine: 9,
      score: 0.1,
      tokens: 40,
      reason: "a reason",
    },
  ],
  fetched: "the need has moved",
  promptTokens: 100,
  generatedTokens: 5,
  decodeSteps: 3,
  timings: { totalMs: 38, waitMs: 0, expressMs: 5, searchMs: 1, selectMs: 1, prefillMs: 20, decodeMs: 10, filterMs: 1 },
  provider: "cpu",
};

const data: DiagnosticsData = {
  versions: { "SelfRACG Code": "0.1.0", "VS Code": "1.100.3" },
  place: { remoteName: "wsl", trusted: false, folderSchemes: ["file", "file"] },
  settings: { modelPath: "/home/ada/models/mine", enable: true },
  status: {
    state: "ready",
    message: "Ready.",
    index: { files: 2, fragments: 3, embedded: 3, excluded: {}, storeBytes: 10 },
  },
  activeFile: { uri: "file:///home/ada/shop/a.py", languageId: "python", here: { available: true } },
  traces: [{ trace, file: "shop/a.py" }],
  log: ["2026-05-20 [info] /home/ada/shop was read"],
  home: "/home/ada",
};

describe("diagnosticsReport", () => {
  const report = diagnosticsReport(data);

  it("states first what it contains, and asks the user to review it", () => {
    const top = report.slice(0, report.indexOf("## "));
    expect(top).toContain("nothing was sent");
    expect(top).toContain("names of files and folders");
    expect(top).toContain("Look at it before you share it");
  });

  it("has versions, environment, status, index, settings, the active file, times and the log", () => {
    for (const part of [
      "- VS Code: 1.100.3",
      "- Sidecar runs on: WSL",
      "- Workspace trusted: no",
      "- Workspace folders: 2 (file)",
      "Restricted mode",
      '"state": "ready"',
      '"fragments": 3',
      '"enable": true',
      '"available": true',
      '"totalMs": 38',
      "was read",
    ]) {
      expect(report).toContain(part);
    }
  });

  it("has paths and no code", () => {
    expect(report).toContain("b.py");
    expect(report).toContain('"suggestionCharacters": 13');
    expect(report).not.toContain("secret_code");
    expect(report).not.toContain("SecretCode");
  });

  it("writes the home folder as ~", () => {
    expect(report).not.toContain("/home/ada");
    expect(report).toContain('"modelPath": "~/models/mine"');
    expect(report).toContain("file://~/shop/a.py");
  });

  it("is complete without a file, suggestions and a log", () => {
    const { activeFile: _file, ...rest } = data;
    const bare = diagnosticsReport({ ...rest, traces: [], log: [] });
    expect(bare).toContain("## Active file\n\nNone.");
    expect(bare).toContain("## Last suggestions\n\nNone.");
    expect(bare).toContain("## Log\n\nEmpty.");
  });

  it("fences a log that contains fences", () => {
    expect(diagnosticsReport({ ...data, log: ["```", "x\n````"] })).toContain("`````text\n```\nx\n````\n`````");
  });
});

describe("withoutHome", () => {
  it("replaces a Windows path in JSON and in a URI", () => {
    const home = "C:\\Users\\Ada L";
    expect(withoutHome('C:\\Users\\Ada L\\x "C:\\\\Users\\\\Ada L\\\\x" file:///C:/Users/Ada%20L/x', home)).toBe(
      '~\\x "~\\\\x" file:///~/x',
    );
  });

  it("changes nothing when the home folder is the root", () => {
    expect(withoutHome("/a/b", "/")).toBe("/a/b");
  });
});
