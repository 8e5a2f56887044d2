// Ignore rules of the user, tracked files, and repositories in other forms than a folder with .git.
import { execFileSync, spawnSync } from "node:child_process";
import { access, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { IgnoreRules } from "../../../../sidecar/workspace/files/ignore";
import { folderWith, repositoryFiles, write } from "../folder";
import { exclusion, git, gitRules, ignoredByGit, ourRules, ownHome, skipped } from "./ignore-and-git";

afterEach(() => vi.unstubAllEnvs());

describe("the user's own ignore file", () => {
  const paths = ["one.x", "two.x", "three.x", "four.x", "five.x", "a.ts", "sub/one.x"];
  const agree = async (root: string): Promise<string[]> => {
    expect(Object.fromEntries(await ourRules(root, paths))).toEqual(Object.fromEntries(gitRules(root, paths)));
    return skipped(root, paths);
  };

  it("is the one that core.excludesFile names in any of git's configurations", async () => {
    const home = await ownHome({
      "my ignores": "two.x\n",
      ".config/git/ignore": "one.x\n",
      local: "three.x\n/sub/\n",
      included: "four.x\n",
    });
    const root = await folderWith({ "sub/one.x": "" });
    git(root, "init", "-q");
    expect(await agree(root)).toEqual(["one.x", "sub/one.x"]);
    await write(home, {
      ".gitconfig": '[Core]\n\texcludesFile = "~/my ignores" ; a comment\n[core "sub"]\n\texcludesFile = ~/nowhere\n',
    });
    expect(await agree(root)).toEqual(["two.x"]);
    await write(home, {
      ".gitconfig": "[include]\n\tpath = more\n",
      more: `[core]excludesfile=${home}/\\\nincluded\n`,
    });
    expect(await agree(root)).toEqual(["four.x"]);
    await write(home, { ".config/git/config": "[core]\nexcludesFile = ~/local\n" });
    expect(await agree(root)).toEqual(["four.x"]);
    git(root, "config", "core.excludesFile", join(home, "local"));
    expect(await agree(root)).toEqual(["three.x", "sub/one.x"]);
    git(root, "config", "core.excludesFile", "");
    expect(await agree(root)).toEqual([]);
    git(root, "config", "core.excludesFile", "own");
    await write(root, { own: "five.x\n" });
    expect(await agree(root)).toEqual(["five.x"]);
    vi.stubEnv("GIT_CONFIG_GLOBAL", join(home, "other"));
    git(root, "config", "--unset", "core.excludesFile");
    await write(home, { other: "[core]\n# excludesFile = no\nexcludesFile = ~/local\n" });
    expect(await agree(root)).toEqual(["three.x", "sub/one.x"]);
  });

  it("comes after info/exclude, which comes after .gitignore", async () => {
    await ownHome({ ".config/git/ignore": "*.x\n" });
    const root = await folderWith({ ".gitignore": "!one.x\ntwo.x\n" });
    git(root, "init", "-q");
    await write(root, { ".git/info/exclude": "!two.x\n!three.x\none.x\n" });
    expect(await agree(root)).toEqual(["two.x", "four.x", "five.x"]);
  });

  it("is the default one when the configuration is broken, includes itself or is not a file", async () => {
    await ownHome({ ".config/git/ignore": "one.x\n" });
    const root = await folderWith({});
    git(root, "init", "-q");
    const config = join(root, ".git", "config");
    const itself = "[include]\n\tpath = config\n";
    for (const content of ["[core\n", itself.repeat(6), `${itself}[core]\nexcludesFile = \0`]) {
      await writeFile(config, content);
      expect(await skipped(root, paths)).toEqual(["one.x", "sub/one.x"]);
    }
    await rm(config);
    execFileSync("mkfifo", [config]);
    expect(await skipped(root, paths)).toEqual(["one.x", "sub/one.x"]);
  });

  it("is the default one when git is not installed", async () => {
    const home = await ownHome({ ".config/git/ignore": "one.x\n", other: "two.x\n" });
    const root = await folderWith({ ".gitignore": "three.x\n" });
    git(root, "init", "-q");
    git(root, "config", "core.excludesFile", join(home, "other"));
    expect(await skipped(root, paths)).toEqual(["two.x", "three.x"]);
    vi.stubEnv("PATH", home);
    expect(await skipped(root, paths)).toEqual(["one.x", "three.x", "sub/one.x"]);
  });
});

describe("a file that git tracks", () => {
  it("is not ignored, whatever pattern it matches, and files beside it are", async () => {
    await ownHome({});
    const root = await folderWith({
      ".gitignore": "lib/\n*.log\n/deep/\n",
      "src/lib/prices.py": "",
      "src/lib/other.py": "",
      "src/lib/sub/x.py": "",
      "deep/a/b/kept.py": "",
      "deep/a/c.py": "",
      "deep/c.py": "",
      "kept.log": "",
      "other.log": "",
    });
    git(root, "init", "-q");
    git(root, "add", "-f", "src/lib/prices.py", "deep/a/b/kept.py", "kept.log");
    const paths = [
      "src/lib/prices.py",
      "src/lib/other.py",
      "src/lib/sub/x.py",
      "src/lib/new.py",
      "deep/a/b/kept.py",
      "deep/a/b/new.py",
      "deep/a/c.py",
      "deep/c.py",
      "kept.log",
      "other.log",
    ];
    const { stdout } = spawnSync("git", ["check-ignore", "--stdin"], { cwd: root, input: paths.join("\n") });
    expect(await skipped(root, paths)).toEqual(stdout.toString().trim().split("\n"));
    expect(await skipped(root, paths)).toHaveLength(7);
    const rules = await IgnoreRules.create(root);
    expect(await exclusion(rules, "src/lib/sub/x.py")).toMatchObject({ rule: { line: 1, pattern: "lib/" } });
    await write(root, { ".selfracgignore": "lib/\n" });
    expect(await skipped(root, ["src/lib/prices.py", "kept.log"])).toEqual(["src/lib/prices.py"]);
  });

  it("is not ignored in a workspace folder inside the repository, nor in a nested repository", async () => {
    await ownHome({});
    const root = await folderWith({ ".gitignore": "*.log\n", "a/x.log": "", "a/y.log": "", "a/in/x.log": "" });
    git(root, "init", "-q");
    git(root, "add", "-f", "a/x.log");
    git(join(root, "a", "in"), "init", "-q");
    await write(root, { "a/in/.gitignore": "*.log\n" });
    expect(await skipped(join(root, "a"), ["x.log", "y.log", "in/x.log"])).toEqual(["y.log", "in/x.log"]);
    git(join(root, "a", "in"), "add", "-f", "x.log");
    expect(await skipped(join(root, "a"), ["x.log", "y.log", "in/x.log"])).toEqual(["y.log"]);
  });

  it("does not make git start a program that the repository's configuration names", async () => {
    await ownHome({});
    const root = await folderWith({ ".gitignore": "*.log\n", "x.log": "" });
    git(root, "init", "-q");
    git(root, "add", "-f", "x.log");
    const trace = join(root, "started");
    await writeFile(join(root, "hook.sh"), `#!/bin/sh\necho "$@" >> ${trace}\n`, { mode: 0o755 });
    for (const name of ["core.fsmonitor", "core.pager", "core.editor", "core.sshCommand", "filter.a.clean"])
      git(root, "config", name, join(root, "hook.sh"));
    await write(root, { ".gitattributes": "* filter=a\n" });
    expect(await skipped(root, ["x.log", "y.log"])).toEqual(["y.log"]);
    await expect(access(trace)).rejects.toThrow("ENOENT");
  });
});

describe("repositories in other forms than a folder with .git", () => {
  it("share info/exclude and configuration when they are worktrees", async () => {
    await ownHome({});
    const root = await folderWith({ "main/.gitignore": "*.log\n", "main/a.ts": "", mine: "three.ts\n" });
    const main = join(root, "main");
    git(main, "init", "-q");
    git(main, "add", ".");
    git(main, "commit", "-qm", "first");
    git(main, "worktree", "add", "-q", join(root, "tree"));
    git(main, "config", "core.excludesFile", join(root, "mine"));
    await write(main, { ".git/info/exclude": "two.ts\n" });
    const paths = ["x.log", "two.ts", "three.ts", "a.ts"];
    const tree = join(root, "tree");
    expect(Object.fromEntries(await ourRules(tree, paths))).toEqual(Object.fromEntries(gitRules(tree, paths)));
    expect(await skipped(tree, paths)).toEqual(["x.log", "two.ts", "three.ts"]);
  });

  it("have only their own rules when they are submodules or nested clones", async () => {
    await ownHome({});
    const root = await folderWith({
      "library/.gitignore": "/local/\n",
      "library/a.ts": "",
      "outer/.gitignore": "*.tmp\n/inner/b.ts\nskipped/\n",
    });
    const [library, outer] = [join(root, "library"), join(root, "outer")];
    git(library, "init", "-q");
    git(library, "add", ".");
    git(library, "commit", "-qm", "first");
    git(outer, "init", "-q");
    git(outer, "submodule", "--quiet", "add", library, "inner");
    git(outer, "clone", "-q", library, "nested");
    git(outer, "clone", "-q", library, "skipped");
    await write(outer, {
      ".git/modules/inner/info/exclude": "c.ts\n",
      "nested/.git/info/exclude": "d.ts\n",
      ".git/info/exclude": "e.ts\n",
      ".selfracgignore": "own.ts\n",
    });
    const inside = ["x.tmp", "a.ts", "b.ts", "c.ts", "d.ts", "e.ts", "local/a.ts", "sub/local/a.ts"];
    for (const name of ["inner", "nested"]) {
      const byGit = ignoredByGit(join(outer, name), inside).map((path) => `${name}/${path}`);
      expect(
        await skipped(
          outer,
          inside.map((path) => `${name}/${path}`),
        ),
      ).toEqual(byGit);
      expect(byGit).toEqual([`${name}/${name === "inner" ? "c" : "d"}.ts`, `${name}/local/a.ts`]);
    }
    // The folder belongs to the outer repository, whose rules apply to it.
    expect(await skipped(outer, ["skipped/a.ts", "x.tmp", "e.ts", "nested/own.ts", "a.ts"])).toEqual([
      "skipped/a.ts",
      "x.tmp",
      "e.ts",
      "nested/own.ts",
    ]);
    // The same rules apply when it is opened by itself.
    expect(await skipped(join(outer, "nested"), inside)).toEqual(["d.ts", "local/a.ts"]);
  });

  it("are none when .git points to nothing, as for git", async () => {
    await ownHome({});
    const root = await folderWith({
      ".gitignore": "*.ts\n",
      "a/.git": "gitdir: /no/such/place\n",
      "b/.git": "rubbish",
      "c/.git": Uint8Array.of(0xff),
      "d/.git/config": "",
      "e/.git/HEAD": "ref: refs/heads/main\n",
      "f/x.ts": "",
    });
    git(root, "init", "-q");
    execFileSync("mkfifo", [join(root, "f", ".git")]);
    const paths = ["a/x.ts", "b/x.ts", "c/x.ts", "d/x.ts", "e/x.ts", "f/x.ts"];
    expect(await skipped(root, paths)).toEqual(paths);
    expect(ignoredByGit(root, paths)).toEqual(paths);
  });

  it("include build results by name, which are excluded outside of repositories", async () => {
    const root = await folderWith(repositoryFiles("clone/"));
    expect(await skipped(root, ["build/a.ts", "clone/build/a.ts"])).toEqual(["build/a.ts"]);
  });
});
