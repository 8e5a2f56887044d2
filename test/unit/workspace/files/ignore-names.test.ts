// Ignore rules on file names of every kind, ignore files of every size, and random patterns.
import { execFileSync } from "node:child_process";
import { symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { IgnoreRules } from "../../../../sidecar/workspace/files/ignore";
import { folderWith, write } from "../folder";
import { exclusion, git, gitRules, ourRules, ownHome, random, skipped } from "./ignore-and-git";

afterEach(() => vi.unstubAllEnvs());

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

it("ignore files that cannot be read exclude their whole folder, with a warning", async () => {
  const root = await folderWith({ "sub/a.ts": "", "sub/deep/b.ts": "", "a.ts": "" });
  // Root may read every file, but no link in a circle.
  await symlink(join(root, "sub", ".selfracgignore"), join(root, "sub", ".selfracgignore"));
  const rules = await IgnoreRules.create(root);
  const source = join(root, "sub", ".selfracgignore");
  const detail = `${source} cannot be read (ELOOP), so that what it ignores is not known; make it readable`;
  expect(await exclusion(rules, "sub/deep/b.ts")).toEqual({ reason: "ignored", detail });
  expect(await exclusion(rules, "a.ts")).toBeUndefined();
  expect(rules.problems).toEqual([`${detail}. Until then ${join(root, "sub")}/ is not indexed.`]);
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
