// What our ignore rules and git decide about paths of a folder, for the tests that compare them.
import { execFileSync, spawnSync } from "node:child_process";
import { isAbsolute, join } from "node:path";
import { expect, vi } from "vitest";
import type { ExcludeSettings } from "../../../../sidecar/workspace/files/exclude-settings";
import type { Exclusion } from "../../../../sidecar/workspace/files/exclusion";
import { IgnoreRules } from "../../../../sidecar/workspace/files/ignore";
import { folderWith } from "../folder";

/** The exclusion of the first excluded folder above the path, or of the path itself. */
export async function exclusion(rules: IgnoreRules, path: string, isFolder = false): Promise<Exclusion | undefined> {
  for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", slash + 1)) {
    const found = await rules.exclusionOf(path.slice(0, slash), true);
    if (found !== undefined) return found;
  }
  return rules.exclusionOf(path, isFolder);
}

export async function skipped(root: string, paths: readonly string[], settings?: ExcludeSettings): Promise<string[]> {
  const rules = await IgnoreRules.create(root, settings);
  const found: string[] = [];
  for (const path of paths) if ((await exclusion(rules, path)) !== undefined) found.push(path);
  return found;
}

/** `source:line pattern` of the rule by which git ignores each of these paths, with absolute sources. */
export function gitRules(root: string, paths: readonly string[]): Map<string, string> {
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
export function ignoredByGit(root: string, paths: readonly string[]): string[] {
  const found = gitRules(root, paths);
  return paths.filter((path) => found.has(path));
}

/** As {@link gitRules}, by our rules. */
export async function ourRules(root: string, paths: readonly string[]): Promise<Map<string, string>> {
  const rules = await IgnoreRules.create(root);
  const found = new Map<string, string>();
  for (const path of paths) {
    const rule = (await exclusion(rules, path))?.rule;
    if (rule !== undefined) found.set(path, `${rule.source}:${rule.line} ${rule.pattern}`);
  }
  return found;
}

/** Numbers that look random and are the same in every run (mulberry32). */
export function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** A home folder without the machine's own git settings. */
export async function ownHome(files: Readonly<Record<string, string>>): Promise<string> {
  const home = await folderWith(files);
  vi.stubEnv("HOME", home);
  vi.stubEnv("XDG_CONFIG_HOME", join(home, ".config"));
  vi.stubEnv("GIT_CONFIG_NOSYSTEM", "1");
  vi.stubEnv("GIT_CONFIG_GLOBAL", undefined);
  return home;
}

export function git(cwd: string, ...args: string[]): void {
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
