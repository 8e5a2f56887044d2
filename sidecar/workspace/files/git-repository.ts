// Reads from a git repository what its ignore files do not say: its settings, and the ignored files that it tracks.
import { execFile } from "node:child_process";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { isFolder } from "../../host/make-folder";
import { readRegularFile } from "../../host/regular-file";

export interface GitRepository {
  /** Ignore files that apply from the repository's root, beginning with the one that decides first: info/exclude, then the user's own. */
  readonly excludeFiles: readonly string[];
  /** core.ignoreCase: git sets it on disks that ignore case. */
  readonly ignoreCase: boolean;
  /** Tracked files that a pattern ignores, and the folders above them, relative to the repository's root. */
  readonly tracked: ReadonlySet<string>;
}

/** Where the parts of a repository are. */
interface GitFolders {
  /** The folder that `.git` is, or points to. */
  readonly own: string;
  /** The folder that a worktree shares with its repository; else the same. */
  readonly common: string;
}

/** Git answers in milliseconds, unless a broken configuration or disk makes it hang. */
const gitTimeoutMs = 5000;
const maxGitOutputBytes = 64 * 2 ** 20;
/** HEAD, commondir, and `.git` where it is a file, hold one line each. */
const maxFileBytes = 1 << 16;
/** These would make git use another repository. */
const repositoryVariables = ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX"];

/**
 * The repository whose root is `folder`; undefined where git sees none, for example when `.git` points to nothing. `.git` is a
 * folder or, in worktrees and submodules, a file. Source: gitrepository-layout(5).
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

/** Asks git about the repository whose root is `folder`. Where git is missing or fails, git's defaults are assumed. */
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

/** The output of git, split at NUL; undefined when it fails, is missing, or takes too long. Git runs no program that the repository's settings name. */
function git(folder: string, args: readonly string[]): Promise<string[] | undefined> {
  const env = { ...process.env, GIT_OPTIONAL_LOCKS: "0" };
  for (const name of repositoryVariables) Reflect.deleteProperty(env, name);
  return new Promise((done) => {
    execFile(
      "git",
      ["-C", folder, "-c", "core.fsmonitor=false", ...args],
      // Outside of the workspace: Windows looks for git.exe in the working folder first.
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

/** Empty for a file that is not there, is no regular file, or is too large. */
function textOf(path: string): Promise<string> {
  return readRegularFile(path, maxFileBytes).catch(() => "");
}
