// Files that the settings of the editor exclude.
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { expandBraces } from "../../../../sidecar/workspace/files/exclude-settings";
import { IgnoreRules } from "../../../../sidecar/workspace/files/ignore";
import { folderWith, repositoryFiles } from "../folder";
import { skipped } from "./ignore-and-git";

afterEach(() => vi.unstubAllEnvs());

describe("settings", () => {
  it("match `when` with a file's own sibling, not with its folder's", async () => {
    const root = await folderWith({ "three.js/src/a.ts": "", "gen.js/b.ts": "", "gen.ts": "" });
    const filesExclude = { "**/*.js": { when: "$(basename).ts" } };
    expect(await skipped(root, ["three.js/src/a.ts", "gen.js/b.ts"], { exclude: [], filesExclude })).toEqual([
      "gen.js/b.ts",
    ]);
  });

  it("exclude more, and only patterns of the setting itself include again", async () => {
    const root = await folderWith({
      ...repositoryFiles(),
      ".gitignore": "*.log\n",
      ".selfracgignore": "!docs/\n!a.md\n",
      "sub/a.ts": "",
    });
    const settings = {
      exclude: ["*.md", "!README.md", "/docs/", "!x.log", "bad\npattern", "", "# no comment"],
      filesExclude: {},
    };
    expect(
      await skipped(
        root,
        ["a.md", "README.md", "sub/README.md", "docs/a.ts", "sub/docs/a.ts", "x.log", "bad", "pattern", "a.ts"],
        settings,
      ),
    ).toEqual(["a.md", "docs/a.ts", "x.log"]);
    const rules = await IgnoreRules.create(root, settings);
    expect(await rules.exclusionOf("sub/a.md", false)).toEqual({
      reason: "excluded",
      detail: 'the setting selfracg.exclude has "*.md"',
      rule: { source: "selfracg.exclude", pattern: "*.md" },
    });
    // Relative to the workspace folder, also when the repository's root is above it.
    expect(await skipped(join(root, "sub"), ["docs/a.ts", "x/docs/a.ts"], settings)).toEqual(["docs/a.ts"]);
  });

  it("include files.exclude with braces, values and siblings", async () => {
    const root = await folderWith({ "src/a.ts": "", "src/a.js": "", "src/b.js": "", "top.js": "" });
    const filesExclude = {
      "**/*.js": { when: "$(basename).ts" },
      "**/{cache,*.{tmp,bak}}": true,
      "only-top": true,
      "*.md": true,
      "lib/**/gen": true,
      "**/off": false,
      "**/odd": "yes",
      "**/when": { when: 3 },
      "back\\slash": true,
      "{": true,
    };
    const paths = [
      "src/a.js",
      "src/b.js",
      "top.js",
      "cache/x.ts",
      "q/cache/x.ts",
      "q/a.tmp",
      "a.bak",
      "a.tmpx",
      "only-top/x.ts",
      "q/only-top/x.ts",
      "a.md",
      "q/a.md",
      "lib/gen/x.ts",
      "lib/a/b/gen/x.ts",
      "gen/x.ts",
      "off/x.ts",
      "odd/x.ts",
      "when/x.ts",
      "back\\slash",
      "{",
      "a.ts",
    ];
    expect(await skipped(root, paths, { exclude: [], filesExclude })).toEqual([
      "src/a.js",
      "cache/x.ts",
      "q/cache/x.ts",
      "q/a.tmp",
      "a.bak",
      "only-top/x.ts",
      "a.md",
      "lib/gen/x.ts",
      "lib/a/b/gen/x.ts",
      "back\\slash",
      "{",
    ]);
    const rules = await IgnoreRules.create(root, { exclude: [], filesExclude });
    expect(await rules.exclusionOf("src/a.js", false)).toEqual({
      reason: "excluded",
      detail: 'the setting files.exclude has "**/*.js"',
      rule: { source: "files.exclude", pattern: "**/*.js" },
    });
  });

  it("expand braces as the editor does, to a bounded number of globs", () => {
    expect(expandBraces("a{b,c{d,e}}f")).toEqual(["abf", "acdf", "acef"]);
    expect(expandBraces("{a,b}/{c,d}")).toEqual(["a/c", "a/d", "b/c", "b/d"]);
    for (const glob of ["plain", "back\\slash", "{", "a}{b"]) expect(expandBraces(glob)).toEqual([glob]);
    expect(["{a}", "{1..3}", "{}"].map(expandBraces)).toEqual([["a"], ["1..3"], []]);
    expect(expandBraces("{a,b}".repeat(30)).length).toBeLessThanOrEqual(256);
    expect(expandBraces(`${"{a,".repeat(5000)}b${"}".repeat(5000)}`).length).toBeLessThanOrEqual(256);
  });
});
