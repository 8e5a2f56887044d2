// Ignore rules agree with git down to the line that decides; .selfracgignore and well-known names add to them.
import { execFileSync } from "node:child_process";
import { rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { IgnoreRules } from "../../../../sidecar/workspace/files/ignore";
import { folderWith, repositoryFiles, write } from "../folder";
import { exclusion, ignoredByGit, skipped } from "./ignore-and-git";

afterEach(() => vi.unstubAllEnvs());

describe("ignore rules", () => {
  it("agree with git on nested files, negation, anchoring and odd names", async () => {
    const root = await folderWith({
      ".gitignore": [
        "# comment",
        "*.log",
        "!keep.log",
        "/top.txt",
        "doc/*.md",
        "cache/",
        "**/deep/x.ts",
        "a/**/z.ts",
        "\\#hash",
        "\\!bang",
        "trail\\ ",
        "[ab]?.q",
        "logs/**",
        "!logs/",
        "build",
      ].join("\n"),
      "a/.gitignore": ["!build", "*.tmp", "/only.ts", "!special.log", "sub/no.ts"].join("\r\n"),
      "a/b/.gitignore": ["*", "!*.ts", "!.gitignore"].join("\n"),
      "od[d] na!me/.gitignore": ["in.ts", "/x/*.js"].join("\n"),
      "#lead/.gitignore": "y.ts\n",
      "star*/.gitignore": "s.ts\n",
    });
    execFileSync("git", ["init", "-q"], { cwd: root });
    const paths = [
      "x.log",
      "keep.log",
      "a/keep.log",
      "a/special.log",
      "special.log",
      "top.txt",
      "a/top.txt",
      "doc/a.md",
      "doc/sub/a.md",
      "a/doc/a.md",
      "cache/x.ts",
      "a/cache/x.ts",
      "cache",
      "deep/x.ts",
      "q/deep/x.ts",
      "q/deep/y.ts",
      "a/z.ts",
      "a/q/r/z.ts",
      "b/z.ts",
      "#hash",
      "!bang",
      "trail ",
      "trail",
      "a1.q",
      "c1.q",
      "logs/x",
      "logs/y/z",
      "build/x.ts",
      "a/build/x.ts",
      "a/t.tmp",
      "t.tmp",
      "a/q/t.tmp",
      "a/only.ts",
      "a/q/only.ts",
      "a/sub/no.ts",
      "a/q/sub/no.ts",
      "a/b/x.js",
      "a/b/x.ts",
      "a/b/c/x.ts",
      "a/b/c/x.js",
      "od[d] na!me/in.ts",
      "od[d] na!me/q/in.ts",
      "od[d] na!me/x/i.js",
      "od[d] na!me/q/x/i.js",
      "odd na!me/in.ts",
      "in.ts",
      "#lead/y.ts",
      "y.ts",
      "star*/s.ts",
      "starfish/s.ts",
    ];
    expect(await skipped(root, paths)).toEqual(ignoredByGit(root, paths));
  });

  it("apply from the repository's root, also in a workspace folder inside it", async () => {
    const root = await folderWith({
      ".gitignore": "*.out\n/pkg/gen/\n",
      "pkg/.gitignore": "local.ts\n",
      ".git/info/exclude": "mine.ts\n",
      ...repositoryFiles(),
    });
    expect(
      await skipped(join(root, "pkg"), ["a.out", "gen/x.ts", "local.ts", "mine.ts", "a.ts", "sub/gen/x.ts"]),
    ).toEqual(["a.out", "gen/x.ts", "local.ts", "mine.ts"]);
  });

  it("include the user's own ignore file, as in git", async () => {
    const config = await folderWith({ "git/ignore": "*.swp\nnotes/\n!keep.swp\n" });
    vi.stubEnv("XDG_CONFIG_HOME", config);
    const root = await folderWith({ ".gitignore": "!notes/\n" });
    execFileSync("git", ["init", "-q"], { cwd: root });
    const paths = ["a.swp", "keep.swp", "notes/a.ts", "a.ts"];
    expect(await skipped(root, paths)).toEqual(ignoredByGit(root, paths));
    expect(await skipped(root, paths)).toEqual(["a.swp"]);
    vi.unstubAllEnvs();
  });

  it("do not exclude a workspace folder that the repository around it ignores", async () => {
    const root = await folderWith({ ".gitignore": "libs/\n", ...repositoryFiles(), "libs/one/.gitignore": "b.ts\n" });
    expect(await skipped(join(root, "libs", "one"), ["a.ts", "b.ts"])).toEqual(["b.ts"]);
  });

  it("include .selfracgignore, which excludes more and can include again", async () => {
    const root = await folderWith({
      ".gitignore": "generated/\n*.snap\n",
      ".selfracgignore": "fixtures/\n!generated/\n",
      ...repositoryFiles(),
      "sub/.selfracgignore": "*.sql\n",
    });
    expect(await skipped(root, ["generated/api.ts", "x.snap", "fixtures/a.ts", "sub/a.sql", "a.sql", "a.ts"])).toEqual([
      "x.snap",
      "fixtures/a.ts",
      "sub/a.sql",
    ]);
  });

  it("exclude dependencies everywhere, and build results outside of git repositories", async () => {
    const paths = [
      "node_modules/x/a.js",
      "sub/node_modules/x.js",
      ".git/config",
      "sub/.venv/a.py",
      "build/a.ts",
      "dist/a.js",
      "src/a.ts",
      "vendor/x.go",
    ];
    const plain = await folderWith({ "src/a.ts": "" });
    expect(await skipped(plain, paths)).toEqual(paths.filter((path) => path !== "src/a.ts"));
    await write(plain, { ".selfracgignore": "!dist/\n!node_modules/\n" });
    expect(await skipped(plain, ["dist/a.js", "node_modules/x/a.js"])).toEqual(["node_modules/x/a.js"]);
    const repository = await folderWith(repositoryFiles());
    const always = ["node_modules/x/a.js", "sub/node_modules/x.js", ".git/config", "sub/.venv/a.py"];
    expect(await skipped(repository, paths)).toEqual([...always, "vendor/x.go"]);
    await write(repository, { ".selfracgignore": "!vendor/\n" });
    expect(await skipped(repository, paths)).toEqual(always);
  });

  it("name the folder that is excluded, and how to include it", async () => {
    const rules = await IgnoreRules.create(await folderWith({}));
    expect(await rules.exclusionOf("sub/node_modules", true)).toEqual({
      reason: "vendored",
      detail: "the folder node_modules is a folder of installed packages",
    });
    expect(await rules.exclusionOf("dist", true)).toEqual({
      reason: "generated",
      detail: "the folder dist is taken for a folder of build results; the line !dist/ in .selfracgignore includes it",
    });
    expect(await rules.exclusionOf(".ssh", true)).toMatchObject({ reason: "secret" });
    expect(await rules.exclusionOf("node_modules", false)).toBeUndefined();
    expect(await rules.exclusionOf(".git", false)).toMatchObject({ reason: "ignored" });
  });

  it("name file, line and pattern of the rule that decides", async () => {
    const root = await folderWith({
      ...repositoryFiles(),
      ".gitignore": "# notes\n\n*.log\n",
      "sub/.selfracgignore": "  \n!keep.log\n/gen/\n",
    });
    const rules = await IgnoreRules.create(root);
    expect(await rules.exclusionOf("a.log", false)).toEqual({
      reason: "ignored",
      detail: `${join(root, ".gitignore")}:3 has the pattern *.log`,
      rule: { source: join(root, ".gitignore"), line: 3, pattern: "*.log" },
    });
    expect(await rules.exclusionOf("sub/keep.log", false)).toBeUndefined();
    expect((await rules.exclusionOf("sub/gen", true))?.rule).toEqual({
      source: join(root, "sub", ".selfracgignore"),
      line: 3,
      pattern: "/gen/",
    });
    expect(await rules.exclusionOf("sub/gen", false)).toBeUndefined();
  });

  it("ignore folders, pipes and links with the name of an ignore file", async () => {
    const root = await folderWith({
      ...repositoryFiles(),
      "a/.gitignore/x": "",
      elsewhere: "*\n",
      "b/x.ts": "",
      "c/x.ts": "",
    });
    execFileSync("mkfifo", [join(root, "b", ".gitignore")]);
    await symlink(join(root, "elsewhere"), join(root, "c", ".gitignore"));
    expect(await skipped(root, ["a/x.ts", "b/x.ts", "c/x.ts"])).toEqual([]);
  });
});

it("ignore files of a deleted folder no longer apply", async () => {
  const root = await folderWith({
    "gen/.gitignore": "*.py\n",
    "gen/deep/.gitignore": "*.js\n",
    "general/.gitignore": "*.py\n",
  });
  const rules = await IgnoreRules.create(root);
  const paths = ["gen/made.py", "gen/deep/made.js", "general/made.py"];
  const left = async (): Promise<string[]> => {
    const found: string[] = [];
    for (const path of paths) if ((await exclusion(rules, path)) !== undefined) found.push(path);
    return found;
  };
  expect(await left()).toEqual(paths);
  await rm(join(root, "gen"), { recursive: true });
  await rm(join(root, "general"), { recursive: true });
  rules.leave("gen");
  rules.leave("no such folder");
  // The index has not been notified of this one yet.
  expect(await left()).toEqual(["general/made.py"]);
});
