// Which folders a client opens with initialize, in each form that clients have for it.
import { expect, it } from "vitest";
import type { Connection, InitializeParams } from "vscode-languageserver/node";
import { WorkspaceFolders } from "../../../sidecar/server/workspace-folders";

function opened(params: Partial<InitializeParams>): { uris: string[]; warnings: string[] } {
  const warnings: string[] = [];
  const log = {
    debug: () => {},
    info: () => {},
    error: () => {},
    warn: (message: string) => void warnings.push(message),
  };
  const folders = new WorkspaceFolders({} as Connection, log);
  folders.initialize({ processId: null, rootUri: null, capabilities: {}, ...params });
  return { uris: folders.folders.map(({ uri }) => uri), warnings };
}

it("the newest form that a client has counts", () => {
  const workspaceFolders = [{ uri: "file:///w", name: "w" }];
  expect(opened({ workspaceFolders, rootUri: "file:///r", rootPath: "/p" }).uris).toEqual(["file:///w"]);
  expect(opened({ workspaceFolders: [], rootUri: "file:///r" }).uris).toEqual([]);
  expect(opened({ workspaceFolders: null, rootUri: "file:///r", rootPath: "/p" }).uris).toEqual(["file:///r"]);
  expect(opened({ rootPath: "/p q" }).uris).toEqual(["file:///p%20q"]);
});

it.each([{ rootPath: "" }, { rootPath: "src" }, { rootPath: null }])("%j opens no folder", (params) => {
  expect(opened(params)).toEqual({ uris: [], warnings: [] });
});

it.each(["", "file:", "file://", "src", "vscode-vfs://github/a/b", "file://other/a"])(
  "the address %j opens no folder, with a warning",
  (uri) => {
    expect(opened({ rootUri: uri })).toEqual({ uris: [], warnings: [expect.stringContaining("expected a file://")] });
  },
);
