// The messages about what does not work in a workspace.

import { describe, expect, it } from "vitest";
import { limits, machine } from "../../../extension/environment";

describe("the limits of a workspace", () => {
  it("are none for a trusted folder on a disk and for an empty window", () => {
    expect(limits({ trusted: true, folderSchemes: ["file"] })).toEqual([]);
    expect(limits({ trusted: true, folderSchemes: [] })).toEqual([]);
  });

  it("state why a virtual workspace is not indexed", () => {
    expect(limits({ trusted: true, folderSchemes: ["vscode-vfs"] })).toEqual([
      'Virtual workspace: files of "vscode-vfs" are on no disk, so they are not indexed and get no suggestions. Files on disk and untitled ones do.',
    ]);
    expect(limits({ trusted: true, folderSchemes: ["file", "vscode-vfs"] })[0]).toMatch(/^Partly virtual workspace: /);
  });

  it("state what does not work in an untrusted workspace", () => {
    expect(limits({ trusted: false, folderSchemes: ["file"] })[0]).toContain("selfracg.modelPath");
  });
});

describe("the name of the machine", () => {
  it.each([
    [undefined, "this machine"],
    ["ssh-remote", "the SSH host"],
    ["wsl", "WSL"],
    ["dev-container", "the container"],
    ["codespaces", "the codespace"],
    ["acme", "the remote machine (acme)"],
  ])("%s", (remoteName, name) => {
    expect(machine({ trusted: true, folderSchemes: [], ...(remoteName === undefined ? {} : { remoteName }) })).toBe(
      name,
    );
  });
});
