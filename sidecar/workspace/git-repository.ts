// Where a git repository keeps ignore rules outside of its folders, read from its files without running git.
import { readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";

export interface GitRepository {
  /** Ignore files that hold from the repository's root, the one that decides first in front: info/exclude, then the user's own. */
  readonly excludeFiles: readonly string[];
  /** core.ignoreCase: git sets it where the disk does not tell upper from lower case. */
  readonly ignoreCase: boolean;
}

/** Includes that include each other end here. */
const deepestInclude = 10;
/** Far beyond any real configuration. */
const largestFile = 1 << 20;

/** The repository whose root is `folder`; nothing where it is not one. `.git` may be a folder or, in worktrees and submodules, a file. */
export async function gitRepositoryAt(folder: string): Promise<GitRepository | undefined> {
  const dotGit = join(folder, ".git");
  const found = await stat(dotGit).catch(() => undefined);
  if (found === undefined) return undefined;
  let gitFolder = dotGit;
  if (found.isFile()) {
    const target = /^gitdir: (.*?)\r?\n?$/s.exec(await textOf(dotGit))?.[1];
    if (target !== undefined) gitFolder = resolve(folder, target);
  }
  // A worktree shares these with the repository it belongs to.
  const shared = (await textOf(join(gitFolder, "commondir"))).trim();
  const common = shared === "" ? gitFolder : resolve(gitFolder, shared);
  const settings = new Map<string, string>();
  for (const path of [...userConfigurations(), join(common, "config")]) await readConfiguration(path, settings, 0);
  const own = settings.get("core.excludesfile");
  const excludes =
    own === undefined
      ? join(configurationHome(), "git", "ignore")
      : own === ""
        ? undefined
        : resolve(folder, withHome(own));
  return {
    excludeFiles: [join(common, "info", "exclude"), ...(excludes === undefined ? [] : [excludes])],
    ignoreCase: /^(true|yes|on|1)$/i.test(settings.get("core.ignorecase") ?? ""),
  };
}

/** System-wide and user-wide configuration, what holds last at the end (git-config(1), FILES and ENVIRONMENT). */
function userConfigurations(): string[] {
  const { GIT_CONFIG_NOSYSTEM, GIT_CONFIG_SYSTEM, GIT_CONFIG_GLOBAL } = process.env;
  const system =
    GIT_CONFIG_NOSYSTEM === undefined || /^(0|false|no|off|)$/i.test(GIT_CONFIG_NOSYSTEM)
      ? [GIT_CONFIG_SYSTEM ?? "/etc/gitconfig"]
      : [];
  const user =
    GIT_CONFIG_GLOBAL === undefined
      ? [join(configurationHome(), "git", "config"), join(homedir(), ".gitconfig")]
      : [GIT_CONFIG_GLOBAL];
  return [...system, ...user];
}

function configurationHome(): string {
  return process.env.XDG_CONFIG_HOME || join(homedir(), ".config");
}

function withHome(path: string): string {
  return path === "~" || path.startsWith("~/") ? join(homedir(), path.slice(1)) : path;
}

/** Adds the settings of one file and of those it includes. Conditional includes are not followed: few choose ignore files. */
async function readConfiguration(path: string, settings: Map<string, string>, depth: number): Promise<void> {
  for (const { name, value } of configurationEntries(await textOf(path))) {
    if (name !== "include.path") settings.set(name, value);
    else if (depth < deepestInclude)
      await readConfiguration(resolve(dirname(path), withHome(value)), settings, depth + 1);
  }
}

/** Entries of git's configuration syntax, `section.name` in lower case; those of subsections keep `section.sub.name`. */
export function configurationEntries(text: string): { readonly name: string; readonly value: string }[] {
  const entries: { name: string; value: string }[] = [];
  let section = "";
  // A backslash at the end of a line joins it with the next one.
  const lines = text
    .replace(/^\uFEFF/, "")
    .replace(/\\\r?\n/g, "")
    .split(/\r?\n/);
  for (const line of lines) {
    const [header = "", name, subsection] = /^\s*\[\s*([\w.-]+)(?:\s+"((?:\\.|[^"\\])*)")?\s*\]/.exec(line) ?? [];
    if (name !== undefined)
      section = subsection === undefined ? name.toLowerCase() : `${name.toLowerCase()}.${subsection}`;
    const [, key, rest] = /^\s*([A-Za-z][\w-]*)\s*(?:=(.*))?$/s.exec(line.slice(header.length)) ?? [];
    // A name alone is a switch that is on.
    if (key !== undefined)
      entries.push({ name: `${section}.${key.toLowerCase()}`, value: rest === undefined ? "true" : unquoted(rest) });
  }
  return entries;
}

/** A value without its quotes, its comment and the white space around it. */
function unquoted(text: string): string {
  let value = "";
  /** Length up to the last character that is not unquoted white space. */
  let kept = 0;
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at] ?? "";
    if (character === '"') {
      quoted = !quoted;
      continue;
    }
    if (!quoted && (character === "#" || character === ";")) break;
    if (!quoted && value === "" && /\s/.test(character)) continue;
    if (character === "\\") {
      const escaped = text[++at] ?? "";
      value += { n: "\n", t: "\t", b: "\b" }[escaped] ?? escaped;
    } else value += character;
    if (quoted || !/\s/.test(character)) kept = value.length;
  }
  return value.slice(0, kept);
}

async function textOf(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() === true && found.size <= largestFile ? readFile(path, "utf8").catch(() => "") : "";
}
