// Ignore rules agree with git down to the line that decides; .selfracgignore, settings and well-known names add to them.
import { execFileSync, spawnSync } from "node:child_process";
import { access, rm, symlink, writeFile } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { type ExcludeSettings, expandBraces } from "../../../../sidecar/workspace/files/exclude-settings";
import type { Exclusion } from "../../../../sidecar/workspace/files/exclusion";
import { IgnoreRules } from "../../../../sidecar/workspace/files/ignore";
import { folderWith, repositoryFiles, write } from "../folder";

afterEach(() => vi.unstubAllEnvs());

/** The exclusion of the first excluded folder above the path, or of the path itself. */
async function exclusion(rules: IgnoreRules, path: string, isFolder = false): Promise<Exclusion | undefined> {
  for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", slash + 1)) {
    const found = await rules.exclusionOf(path.slice(0, slash), true);
    if (found !== undefined) return found;
  }
  return rules.exclusionOf(path, isFolder);
}

async function skipped(root: string, paths: readonly string[], settings?: ExcludeSettings): Promise<string[]> {
  const rules = await IgnoreRules.create(root, settings);
  const found: string[] = [];
  for (const path of paths) if ((await exclusion(rules, path)) !== undefined) found.push(path);
  return found;
}

/** `source:line pattern` of the rule by which git ignores each of these paths, with absolute sources. */
function gitRules(root: string, paths: readonly string[]): Map<string, string> {
  const { stdout, status } = spawnSync("git", ["check-ignore", "--no-index", "-v", "-z", "--stdin"], {
    cwd: root,
    input: paths.join("\0"),
  });
  expect(status).toBeLessThan(2);
  const fields = stdout.toString("utf8").split("\0");
  const found = new Map<string, string>();
  for (let i = 0; i + 3 < fields.length; i += 4) {
    const [source = "", line, pattern = "", path = ""] = fields.slice(i, i + 4);
    if (!pattern.startsWith("!"))
      found.set(path, `${isAbsolute(source) ? source : join(root, source)}:${line} ${pattern}`);
  }
  return found;
}

/** The paths that git ignores. */
function ignoredByGit(root: string, paths: readonly string[]): string[] {
  const found = gitRules(root, paths);
  return paths.filter((path) => found.has(path));
}

/** As {@link gitRules}, by our rules. */
async function ourRules(root: string, paths: readonly string[]): Promise<Map<string, string>> {
  const rules = await IgnoreRules.create(root);
  const found = new Map<string, string>();
  for (const path of paths) {
    const rule = (await exclusion(rules, path))?.rule;
    if (rule !== undefined) found.set(path, `${rule.source}:${rule.line} ${rule.pattern}`);
  }
  return found;
}

/** Numbers that look random and are the same in every run (mulberry32). */
function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

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

/** A home folder without the machine's own git settings. */
async function ownHome(files: Readonly<Record<string, string>>): Promise<string> {
  const home = await folderWith(files);
  vi.stubEnv("HOME", home);
  vi.stubEnv("XDG_CONFIG_HOME", join(home, ".config"));
  vi.stubEnv("GIT_CONFIG_NOSYSTEM", "1");
  vi.stubEnv("GIT_CONFIG_GLOBAL", undefined);
  return home;
}

function git(cwd: string, ...args: string[]): void {
  execFileSync(
    "git",
    [
      "-c",
      "user.name=a",
      "-c",
      "user.email=a@b.c",
      "-c",
      "protocol.file.allow=always",
      "-c",
      "init.defaultBranch=main",
      ...args,
    ],
    { cwd, stdio: "pipe" },
  );
}

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

describe("file names of every kind", () => {
  const long = `${"é".repeat(127)}a`;
  const names = [
    "with space.ts",
    " lead.ts",
    "trail ",
    "🙂.ts",
    "line\nbreak.ts",
    "tab\t.ts",
    long,
    "caf\u00e9.ts",
    "cafe\u0301.ts",
    "back\\slash.ts",
    "#hash",
    "!bang",
    "[x].ts",
    "'quote\".ts",
  ];

  it("are ignored as by git: byte by byte, with escapes, composed and decomposed forms apart", async () => {
    await ownHome({});
    const root = await folderWith(Object.fromEntries(names.map((name) => [`in/${name}`, "x"])));
    git(root, "init", "-q");
    for (const pattern of [
      "with space.ts",
      "\\ lead.ts",
      " lead.ts",
      "trail\\ ",
      "trail ",
      "🙂.ts",
      "????.ts",
      "?.ts",
      "line?break.ts",
      "line*",
      "*\t*",
      long,
      `${"é".repeat(100)}*`,
      "caf\u00e9.ts",
      "cafe\u0301.ts",
      "caf??.ts",
      "back\\\\slash.ts",
      "\\#hash",
      "\\!bang",
      "\\[x].ts",
      "[[]x].ts",
      '*"*',
      "in/🙂*",
    ]) {
      await write(root, { ".gitignore": `${pattern}\n` });
      const paths = names.map((name) => `in/${name}`);
      expect([pattern, Object.fromEntries(await ourRules(root, paths))]).toEqual([
        pattern,
        Object.fromEntries(gitRules(root, paths)),
      ]);
    }
  });

  it("are matched in folders' names too", async () => {
    await ownHome({});
    const root = await folderWith(
      Object.fromEntries(names.map((name) => [`${name}/.gitignore`, "x.ts\n/deep/*.js\n"])),
    );
    git(root, "init", "-q");
    const paths = names.flatMap((name) => [
      `${name}/x.ts`,
      `${name}/q/x.ts`,
      `${name}/deep/a.js`,
      `${name}/q/deep/a.js`,
    ]);
    expect(Object.fromEntries(await ourRules(root, paths))).toEqual(Object.fromEntries(gitRules(root, paths)));
    expect(await skipped(root, paths)).toHaveLength(3 * names.length);
  });

  it("are matched in folders that a deeper file includes again", async () => {
    await ownHome({});
    const root = await folderWith(Object.fromEntries(names.map((name) => [`d/${name}/e/x.ts`, "x"])));
    git(root, "init", "-q");
    await write(root, { ".gitignore": "/d/*/\n/d/*/e\n*.js\n", "d/.gitignore": "!*/\n!e/\n" });
    const paths = names.flatMap((name) => [`d/${name}/x.ts`, `d/${name}/x.js`, `d/${name}/e/x.ts`, `d/${name}/e/x.js`]);
    expect(Object.fromEntries(await ourRules(root, paths))).toEqual(Object.fromEntries(gitRules(root, paths)));
    expect(await skipped(root, paths)).toHaveLength(2 * names.length);
  });

  it("never make the rules throw, even when they are not valid", async () => {
    const rules = await IgnoreRules.create(await folderWith({ ".gitignore": "*.ts\nä\n" }));
    for (const path of ["\uFFFD\uFFFD", "\uD800", "", ".", "..", "../x", "./x", "/x", "a//b", "\0"]) {
      expect(await rules.exclusionOf(path, false)).toBeUndefined();
      expect(await rules.exclusionOf(path, true)).toBeUndefined();
    }
    expect(await rules.exclusionOf("\uFFFD.ts", false)).toMatchObject({ reason: "ignored" });
  });
});

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

describe("ignore files of every size", () => {
  it("are matched in bounded time, also when git takes hours", async () => {
    const root = await folderWith({
      ".gitignore": [
        `${"*a".repeat(60)}b`,
        `${"**/".repeat(40)}${"*a*".repeat(40)}/c`,
        `${"a*/**/".repeat(20)}b`,
        "**/a/**/a/**/a/**/a/**/a/**/a/**/b",
        `${"**/a/".repeat(300)}b`,
        `${"[!b]*".repeat(300)}b`,
        `/${"*?".repeat(1000)}/b`,
        `${"a**/".repeat(200)}b`,
        "x".repeat(60_000),
        `${"x*".repeat(30_000)}y`,
      ].join("\n"),
    });
    const rules = await IgnoreRules.create(root);
    expect(await rules.exclusionOf(`${"a".repeat(250)}`, false)).toBeUndefined();
    expect(await exclusion(rules, `${"aaaa/".repeat(40)}${"a".repeat(200)}`)).toBeUndefined();
    expect(await exclusion(rules, `${"a/".repeat(300)}c`)).toBeUndefined();
    expect((await exclusion(rules, `${"a/".repeat(300)}b`))?.rule?.line).toBe(8);
  });

  it("let other work run while many patterns are read and matched", async () => {
    const root = await folderWith({ ".gitignore": "a*b*c*d\n".repeat(100_000) });
    const rules = await IgnoreRules.create(root);
    let turns = 0;
    const counting = setInterval(() => turns++, 1);
    expect(await rules.exclusionOf("abcabcabcabcabcabcabcabcabcabc", false)).toBeUndefined();
    clearInterval(counting);
    expect(turns).toBeGreaterThan(1);
  });

  it("agree with git on five globstars, rows of asterisks and megabytes of patterns", async () => {
    await ownHome({});
    const root = await folderWith({});
    git(root, "init", "-q");
    const paths = ["a/b/c/d/e/f/x.private/k.py", "private.py", "sub/private.py", "k.py", "x77.log"];
    const generated = Array.from({ length: 150_000 }, (_, i) => `x${i}.log`).join("\n");
    for (const content of [
      "**/a/**/c/**/e/**/*.private/**\n",
      "**********\n",
      `${"*".repeat(60_000)}y\n*.py`,
      `${"x".repeat(60_000)}\n*y\n`,
      `${generated}\nprivate.py\n!x77.log`,
      `private.py\n${generated}`,
    ]) {
      await writeFile(join(root, ".gitignore"), content);
      expect(Object.fromEntries(await ourRules(root, paths))).toEqual(Object.fromEntries(gitRules(root, paths)));
    }
  });

  it("exclude their whole folder when they have more than eight megabytes", async () => {
    const root = await folderWith({ "sub/.gitignore": `${"#".repeat(8 << 20)}\n`, "sub/deep/a.ts": "", "a.ts": "" });
    const rules = await IgnoreRules.create(root);
    expect(await exclusion(rules, "sub/deep/a.ts")).toEqual({
      reason: "ignored",
      detail: `${join(root, "sub", ".gitignore")} is larger than 8 MiB, so that what it ignores is not known; make it smaller`,
    });
    expect(await exclusion(rules, "sub/a.ts")).toBeDefined();
    expect(await exclusion(rules, "a.ts")).toBeUndefined();
  });
});

describe("ignore rules and git, on random patterns", () => {
  const names = [
    "a",
    "b",
    "ab",
    "a.b",
    "B",
    "a b",
    "é",
    "[a]",
    "a]",
    "-",
    "a-b",
    "x!",
    "a\\b",
    "a*",
    "  ",
    "ü🙂",
    "a\nb",
  ];
  const pieces = [
    "a",
    "b",
    "ab",
    "*",
    "**",
    "?",
    "/",
    "/",
    "[ab]",
    "[!a]",
    "[^b]",
    "[a-c]",
    "[]a]",
    "[a",
    "[[:alpha:]]",
    "[[:nope:]]",
    "[a-",
    "]",
    "\\a",
    "\\*",
    "\\",
    ".",
    "é",
    "🙂",
    " ",
    "\\ ",
    "!",
    "#",
    "-",
    "[é]",
    "\t",
    "[\\]]",
    "[--a]",
    "[[:upper:][:digit:]]",
    "[[:a]",
    "***",
    "\\/",
    "B",
    "\\B",
    "[A-C]",
    "[B]",
    "[[:lower:]]",
    "[!/]",
    "[+--]",
    "[a-[:digit:]]",
    "[[:space:]-b]",
    "[:]",
    "[[:]b]",
    "\0",
  ];

  it.each([1, 2, 3, 4, 5, 6, 7, 8])("series %i", async (seed) => {
    const next = random(seed);
    const pick = <T>(from: readonly T[]): T => from[Math.floor(next() * from.length)] as T;
    const pattern = (): string => {
      const body = Array.from({ length: 1 + Math.floor(next() * 5) }, () => pick(pieces)).join("");
      return `${pick(["", "", "", "!", "/", "**/"])}${body}${pick(["", "", "", "/", "/**", "/*", " ", "\r"])}`;
    };
    const list = (most: number): string => Array.from({ length: Math.floor(next() * most) }, pattern).join("\n");
    const paths = new Set<string>();
    while (paths.size < 60) paths.add(Array.from({ length: 1 + Math.floor(next() * 3) }, () => pick(names)).join("/"));
    const root = await folderWith({});
    execFileSync("git", ["init", "-q"], { cwd: root });
    if (seed % 4 === 0) execFileSync("git", ["config", "core.ignoreCase", "true"], { cwd: root });
    const files = [...paths].filter((path) => ![...paths].some((other) => other.startsWith(`${path}/`)));
    await write(root, Object.fromEntries(files.map((path) => [path, "x"])));
    const folders = [
      ...new Set(files.flatMap((path) => (path.includes("/") ? [path.slice(0, path.indexOf("/"))] : []))),
    ];
    let matched = 0;
    for (let round = 0; round < 40; round++) {
      await writeFile(join(root, ".gitignore"), `${pick(["", "\uFEFF"])}${list(5)}${pick(["", "\n"])}`);
      await writeFile(join(root, ".git", "info", "exclude"), list(3));
      for (const folder of folders) await writeFile(join(root, folder, ".gitignore"), next() < 0.4 ? list(4) : "");
      const found = await ourRules(root, files);
      expect(Object.fromEntries(found)).toEqual(Object.fromEntries(gitRules(root, files)));
      matched += found.size;
    }
    expect(matched).toBeGreaterThan(100);
  });
});
