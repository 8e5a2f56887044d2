// Pinned and banned files: patterns that match a single file, and lists that a button changes.

import { describe, expect, it } from "vitest";
import { patternInFolder, patternOf, ruleOfPattern, toggled } from "../../../../extension/inspector/file-rules";
import { FileRules } from "../../../../sidecar/retrieval/pinned-files";

describe("patternOf", () => {
  it.each([
    "src/a.ts",
    "a.ts",
    "app/[id]/page.tsx",
    "#a",
    "!a",
    "a/!b#c",
    "a b/c d.ts",
    "ends with space ",
    "st*r?.py",
    "back\\slash",
    "ünïcode/文件.py",
  ])("matches %s", (path) => {
    expect(new FileRules({ pinnedFiles: [patternOf(path)] }).pinnedBy({ uri: "", path })).toBe(patternOf(path));
  });

  it.each([
    ["src/a.ts", "lib/src/a.ts"],
    ["a.ts", "src/a.ts"],
    ["app/[id]/page.tsx", "app/i/page.tsx"],
    ["st*r.py", "star.py"],
    ["wh?t.py", "what.py"],
  ])("of %s does not match %s", (path, other) => {
    expect(new FileRules({ pinnedFiles: [patternOf(path)] }).pinnedBy({ uri: "", path: other })).toBeUndefined();
  });
});

describe("patternInFolder", () => {
  it.each([
    ["library", "src/a.ts"],
    ["my [lib] #1", "app/[id]/page.tsx"],
    ["ünïcode", "文件 .py"],
  ])("matches the file in %s only, by the sidecar's own rules", (folder, path) => {
    const pattern = patternInFolder(folder, path);
    const files = new FileRules({ pinnedFiles: [pattern] });
    const uri = (root: string): string =>
      `file:///code/${encodeURIComponent(root)}/${path.split("/").map(encodeURIComponent).join("/")}`;
    expect(files.pinnedBy({ uri: uri(folder), path })).toBe(pattern);
    expect(files.pinnedBy({ uri: uri("other"), path })).toBeUndefined();
  });
});

describe("toggled", () => {
  const none = { pin: [], ban: ["*.generated.ts"] };

  it("sets the rule, and removes it when it is toggled again", () => {
    const pinned = toggled(none, "pin", "/a.ts");
    expect(pinned).toEqual({ pin: ["/a.ts"], ban: ["*.generated.ts"] });
    expect(ruleOfPattern(pinned, "/a.ts")).toBe("pin");
    expect(toggled(pinned, "pin", "/a.ts")).toEqual(none);
  });

  it("replaces the opposite rule", () => {
    const banned = toggled(toggled(none, "pin", "/a.ts"), "ban", "/a.ts");
    expect(banned).toEqual({ pin: [], ban: ["*.generated.ts", "/a.ts"] });
    expect(toggled(banned, "pin", "/a.ts")).toEqual({ pin: ["/a.ts"], ban: ["*.generated.ts"] });
  });

  it("leaves other entries of the lists unchanged", () => {
    const both = { pin: ["/a.ts", "/b.ts"], ban: ["/a.ts"] };
    expect(ruleOfPattern(both, "/a.ts")).toBe("ban");
    expect(toggled(both, "ban", "/a.ts")).toEqual({ pin: ["/b.ts"], ban: [] });
    expect(both).toEqual({ pin: ["/a.ts", "/b.ts"], ban: ["/a.ts"] });
  });
});
