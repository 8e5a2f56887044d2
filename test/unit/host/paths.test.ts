// Paths for the URIs that editors send.
import { describe, expect, it } from "vitest";
import { documentPath, filePath, fileUri, longDocumentPath, normalUri } from "../../../sidecar/host/paths";

const folders = [
  { uri: "file:///home/me/project", name: "work" },
  { uri: "file:///home/me/project/inner", name: "inner" },
  { uri: "file:///home/me/with%20space", name: "with space" },
];

describe("documentPath", () => {
  it.each([
    ["file:///home/me/project/src/a.py", "src/a.py"],
    ["file:///home/me/project/inner/b.py", "b.py"],
    ["file:///home/me/projectshop/c.py", "c.py"],
    ["file:///home/me/with%20space/d%20e.py", "d e.py"],
    ["file:///home/me/with space/f.py", "f.py"],
    ["file:///elsewhere/g.py", "g.py"],
    ["untitled:Untitled-1", "Untitled-1"],
    ["vscode-notebook-cell:/home/me/project/nb.ipynb#W0sZmlsZQ", "nb.ipynb"],
    ["vscode-notebook-cell://ssh-remote+host/home/me/project/deep/nb.ipynb#X1", "deep/nb.ipynb"],
    ["file:///home/me/project/100%.py", "100%.py"],
  ])("%s -> %s", (uri, path) => {
    expect(documentPath(uri, folders)).toBe(path);
  });

  it("is the whole path of a document outside of all folders, in the long form", () => {
    expect(longDocumentPath("file:///home/me/project/src/a.py", folders)).toBe("src/a.py");
    expect(longDocumentPath("file:///home/me/.ssh/config", folders)).toBe("/home/me/.ssh/config");
    expect(longDocumentPath("untitled:Untitled-1", folders)).toBe("Untitled-1");
  });

  it("is the same for Windows drives of any case and encoding", () => {
    expect(documentPath("file:///c%3A/code/src/a.ts", [{ uri: "file:///C:/code/", name: "code" }])).toBe("src/a.ts");
  });
});

describe("filePath", () => {
  it("is undefined for other schemes than file", () => {
    expect(filePath("file:///a/b%20c.py")).toBe("/a/b c.py");
    expect(filePath("untitled:Untitled-1")).toBeUndefined();
    expect(filePath("file://otherhost/a.py")).toBeUndefined();
    expect(filePath("not an address")).toBeUndefined();
  });
});

describe("normalUri", () => {
  it.each([
    ["file:///w/(shop)/page.ts", "file:///w/%28shop%29/page.ts"],
    ["file:///w/%28shop%29/page.ts", "file:///w/%28shop%29/page.ts"],
    ["file:///w/%5Bid%5D/@a/c++/x%20y's!.ts", "file:///w/%5Bid%5D/%40a/c%2B%2B/x%20y%27s%21.ts"],
    ["file:///w/[id]/%40a/c%2b%2b/x y's!.ts", "file:///w/%5Bid%5D/%40a/c%2B%2B/x%20y%27s%21.ts"],
    ["file:///w/größe.py", "file:///w/gr%C3%B6%C3%9Fe.py"],
    ["file://localhost/w/a.py", "file:///w/a.py"],
    ["untitled:Untitled-1", "untitled:Untitled-1"],
    ["file:///w/100%.py", "file:///w/100%.py"],
  ])("%s -> %s", (uri, normal) => {
    expect(normalUri(uri)).toBe(normal);
  });

  it("is what fileUri makes of the path", () => {
    for (const path of ["/w/(a)/b [c]/d%e#f?g.ts", "/w/ü/'\u{1F600}'.py"]) expect(filePath(fileUri(path))).toBe(path);
  });
});
