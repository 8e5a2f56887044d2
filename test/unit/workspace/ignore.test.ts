// The rules agree with git itself, and the own ignore file and well-known names add to them.
import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { IgnoreRules } from "../../../sidecar/workspace/ignore";
import { folderWith, write } from "./folder";

async function skipped(root: string, paths: readonly string[]): Promise<string[]> {
  const rules = await IgnoreRules.create(root);
  const found: string[] = [];
  for (const path of paths) if (await rules.skipsPath(path, false)) found.push(path);
  return found;
}

/** What git leaves out of these paths. */
function ignoredByGit(root: string, paths: readonly string[]): string[] {
  const { stdout, status } = spawnSync("git", ["check-ignore", "--no-index", "--stdin"], { cwd: root, input: paths.join("\n"), encoding: "utf8" });
  expect(status).toBeLessThan(2);
  return stdout.split("\n").filter(Boolean);
}

describe("ignore rules", () => {
  it("agree with git on nested files, negation, anchoring and odd names", async () => {
    const root = await folderWith({
      ".gitignore": ["# comment", "*.log", "!keep.log", "/top.txt", "doc/*.md", "cache/", "**/deep/x.ts", "a/**/z.ts", "\\#hash", "\\!bang", "trail\\ ", "[ab]?.q", "logs/**", "!logs/", "build"].join("\n"),
      "a/.gitignore": ["!build", "*.tmp", "/only.ts", "!special.log", "sub/no.ts"].join("\r\n"),
      "a/b/.gitignore": ["*", "!*.ts", "!.gitignore"].join("\n"),
      "od[d] na!me/.gitignore": ["in.ts", "/x/*.js"].join("\n"),
      "#lead/.gitignore": "y.ts\n",
      "star*/.gitignore": "s.ts\n",
    });
    execFileSync("git", ["init", "-q"], { cwd: root });
    const paths = [
      "x.log", "keep.log", "a/keep.log", "a/special.log", "special.log", "top.txt", "a/top.txt", "doc/a.md", "doc/sub/a.md", "a/doc/a.md", "cache/x.ts", "a/cache/x.ts", "cache",
      "deep/x.ts", "q/deep/x.ts", "q/deep/y.ts", "a/z.ts", "a/q/r/z.ts", "b/z.ts", "#hash", "!bang", "trail ", "trail", "a1.q", "c1.q", "logs/x", "logs/y/z", "build/x.ts", "a/build/x.ts",
      "a/t.tmp", "t.tmp", "a/q/t.tmp", "a/only.ts", "a/q/only.ts", "a/sub/no.ts", "a/q/sub/no.ts", "a/b/x.js", "a/b/x.ts", "a/b/c/x.ts", "a/b/c/x.js",
      "od[d] na!me/in.ts", "od[d] na!me/q/in.ts", "od[d] na!me/x/i.js", "od[d] na!me/q/x/i.js", "odd na!me/in.ts", "in.ts", "#lead/y.ts", "y.ts", "star*/s.ts", "starfish/s.ts",
    ]; // prettier-ignore
    expect(await skipped(root, paths)).toEqual(ignoredByGit(root, paths));
  });

  it("count from the repository's root, also for a workspace folder inside it", async () => {
    const root = await folderWith({ ".gitignore": "*.out\n/pkg/gen/\n", "pkg/.gitignore": "local.ts\n", ".git/info/exclude": "mine.ts\n", ".git/HEAD": "ref: refs/heads/main\n" });
    expect(await skipped(join(root, "pkg"), ["a.out", "gen/x.ts", "local.ts", "mine.ts", "a.ts", "sub/gen/x.ts"])).toEqual(["a.out", "gen/x.ts", "local.ts", "mine.ts"]);
  });

  it("count the user's own ignore file, as git does", async () => {
    const config = await folderWith({ "git/ignore": "*.swp\nnotes/\n!keep.swp\n" });
    vi.stubEnv("XDG_CONFIG_HOME", config);
    const root = await folderWith({ ".gitignore": "!notes/\n" });
    execFileSync("git", ["init", "-q"], { cwd: root });
    const paths = ["a.swp", "keep.swp", "notes/a.ts", "a.ts"];
    expect(await skipped(root, paths)).toEqual(ignoredByGit(root, paths));
    expect(await skipped(root, paths)).toEqual(["a.swp"]);
    vi.unstubAllEnvs();
  });

  it("do not leave out all of a workspace folder that the repository around it ignores", async () => {
    const root = await folderWith({ ".gitignore": "libs/\n", ".git/HEAD": "", "libs/one/.gitignore": "b.ts\n" });
    expect(await skipped(join(root, "libs", "one"), ["a.ts", "b.ts"])).toEqual(["b.ts"]);
  });

  it("take .selfracgignore beside .gitignore: it adds, and can take back", async () => {
    const root = await folderWith({ ".gitignore": "generated/\n*.snap\n", ".selfracgignore": "fixtures/\n!generated/\n", ".git/HEAD": "", "sub/.selfracgignore": "*.sql\n" });
    expect(await skipped(root, ["generated/api.ts", "x.snap", "fixtures/a.ts", "sub/a.sql", "a.sql", "a.ts"])).toEqual(["x.snap", "fixtures/a.ts", "sub/a.sql"]);
  });

  it("leave out dependencies everywhere and build results where git does not say", async () => {
    const paths = ["node_modules/x/a.js", "sub/node_modules/x.js", ".git/config", "sub/.venv/a.py", "build/a.ts", "dist/a.js", "src/a.ts", "vendor/x.go"];
    const plain = await folderWith({ "src/a.ts": "" });
    expect(await skipped(plain, paths)).toEqual(paths.filter((path) => path !== "src/a.ts"));
    await write(plain, { ".selfracgignore": "!dist/\n!node_modules/\n" });
    expect(await skipped(plain, ["dist/a.js", "node_modules/x/a.js"])).toEqual(["node_modules/x/a.js"]);
    const repository = await folderWith({ ".git/HEAD": "" });
    expect(await skipped(repository, paths)).toEqual(["node_modules/x/a.js", "sub/node_modules/x.js", ".git/config", "sub/.venv/a.py"]);
  });
});
