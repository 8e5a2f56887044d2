// What a git repository says of ignoring outside of its ignore files: its settings, and what it tracks all the same.
import { execFile } from "node:child_process";
import { readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";

export interface GitRepository {
  /** Ignore files that hold from the repository's root, the one that decides first in front: info/exclude, then the user's own. */
  readonly excludeFiles: readonly string[];
  /** core.ignoreCase: git sets it where the disk does not tell upper from lower case. */
  readonly ignoreCase: boolean;
  /** Files that are tracked although a pattern ignores them, from the repository's root, and the folders above them. */
  readonly tracked: ReadonlySet<string>;
}

/** Where the parts of a repository lie. */
export interface GitFolders {
  /** The folder that `.git` is or names. */
  readonly own: string;
  /** The one that a worktree shares with the repository it belongs to; else the same. */
  readonly common: string;
}

/** Git answers in milliseconds; what takes so long hangs on a broken configuration or disk. */
const gitTimeoutMs = 5000;
const maxGitOutputBytes = 64 * 2 ** 20;
/** HEAD, `.git` as a file and commondir hold a line each. */
const maxFileBytes = 1 << 16;
/** They would make git speak of another repository than the one that is asked about. */
const repositoryVariables = ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX"];

/**
 * The repository whose root is `folder`; nothing where git sees none, also where there is a `.git` that leads nowhere. It may
 * be a folder or, in worktrees and submodules, a file. Source: gitrepository-layout(5).
 */
export async function gitFoldersAt(folder: string): Promise<GitFolders | undefined> {
  const dotGit = join(folder, ".git");
  const target = /^gitdir: (.*?)[\r\n]*$/s.exec(await textOf(dotGit))?.[1];
  const own = target === undefined ? dotGit : resolve(folder, target);
  const shared = (await textOf(join(own, "commondir"))).trim();
  const common = shared === "" ? own : resolve(own, shared);
  const isRepository =
    /^(ref:\s*refs\/|[0-9a-f]{40})/.test(await textOf(join(own, "HEAD"))) &&
    (await isFolder(join(common, "objects"))) &&
    (await isFolder(join(common, "refs")));
  return isRepository ? { own, common } : undefined;
}

/** Asks git about the repository whose root is `folder`. Where git is missing or fails, its defaults hold. */
export async function readGitRepository(folder: string, { common }: GitFolders): Promise<GitRepository> {
  const [excludesFile, ignoreCase, tracked] = await Promise.all([
    git(folder, ["config", "-z", "--type=path", "--get", "core.excludesFile"]),
    git(folder, ["config", "-z", "--type=bool", "--get", "core.ignoreCase"]),
    git(folder, ["ls-files", "-z", "--cached", "--ignored", "--exclude-standard"]),
  ]);
  const own = excludesFile?.[0] ?? join(process.env.XDG_CONFIG_HOME || join(homedir(), ".config"), "git", "ignore");
  return {
    excludeFiles: [join(common, "info", "exclude"), ...(own === "" ? [] : [resolve(folder, own)])],
    ignoreCase: ignoreCase?.[0] === "true",
    tracked: withFoldersAbove(tracked ?? []),
  };
}

/** What git prints, split at NUL; nothing where it fails, is missing, or takes too long. It never runs what a repository names. */
function git(folder: string, args: readonly string[]): Promise<string[] | undefined> {
  const env = { ...process.env, GIT_OPTIONAL_LOCKS: "0" };
  for (const name of repositoryVariables) Reflect.deleteProperty(env, name);
  return new Promise((done) => {
    execFile(
      "git",
      ["-C", folder, "-c", "core.fsmonitor=false", ...args],
      // Not in the workspace: Windows looks for the program there first.
      {
        cwd: dirname(process.execPath),
        env,
        timeout: gitTimeoutMs,
        killSignal: "SIGKILL",
        maxBuffer: maxGitOutputBytes,
        windowsHide: true,
      },
      (error, output) => done(error === null ? output.split("\0") : undefined),
    );
  });
}

function withFoldersAbove(paths: readonly string[]): Set<string> {
  const found = new Set<string>();
  for (const path of paths) {
    for (
      let above = path;
      above !== "" && !found.has(above);
      above = above.slice(0, Math.max(0, above.lastIndexOf("/")))
    )
      found.add(above);
  }
  return found;
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}

async function textOf(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  return found?.isFile() === true && found.size <= maxFileBytes ? readFile(path, "utf8").catch(() => "") : "";
}
