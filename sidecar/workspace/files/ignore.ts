// Which paths of a workspace folder are left out by ignore files, settings and well-known folder names, and by which rule.
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Pace } from "../../host/yield";
import type { IgnoreRule } from "../../protocol";
import { ExcludeRules, type ExcludeSettings, noExcludes } from "./exclude-settings";
import { type Exclusion, printable } from "./exclusion";
import { skipByFolderName } from "./folder-names";
import { type GitRepository, gitFoldersAt, readGitRepository } from "./git-repository";
import { byteString, IgnorePatterns } from "./ignore-pattern";
import { secretByName } from "./secrets/names";

/** Some hundred thousand patterns. Where a file is larger, what it would ignore stays out with all else in its folder. */
const maxIgnoreFileBytes = 8 * 2 ** 20;

/** The patterns of one ignore file, which hold below `base`. */
interface RuleFile {
  readonly source: string;
  /** Length of the path from `top` to the folder it holds below, the slash included, as {@link byteString}. */
  readonly base: number;
  readonly patterns: IgnorePatterns;
}

/** What holds for the entries of one folder. In both lists the file that decides first is in front. */
interface FolderRules {
  /** `.selfracgignore` of this folder and those above. */
  readonly own: readonly RuleFile[];
  /** `.gitignore` of this folder and those above it in its repository, info/exclude and the user's ignore file. */
  readonly git: readonly RuleFile[];
  readonly repository: Repository | undefined;
  /** The rule that ignores this folder, which is walked all the same for what is tracked in it. */
  readonly ignored?: Required<IgnoreRule>;
  /** An ignore file too large to be read, of this folder or one above. */
  readonly tooLarge?: string;
}

interface Repository extends GitRepository {
  /** Path of its root from `top`, `""` or ending in `/`. */
  readonly root: string;
}

type Decision = Required<IgnoreRule> | "taken back by .selfracgignore" | "taken back by git" | undefined;

/**
 * The rules of one workspace folder. Git's files count as they do for git: the last pattern of the deepest file decides,
 * nothing comes back from under an ignored folder, what is tracked is not ignored, and a repository inside another one (a
 * submodule, a worktree, a clone) has its own rules and none of the outer one's. `.selfracgignore` has the last word over them,
 * from the topmost folder down; the settings only add. What is secret by its name is left out unless `!` in `.selfracgignore`
 * or in `selfracg.exclude` takes it back: git tracks secrets too, so its rules do not.
 */
export class IgnoreRules {
  /** By path from `top`, `""` or ending in `/`. */
  private readonly folders = new Map<string, Promise<FolderRules>>();
  private readonly pace = new Pace();

  private constructor(
    private readonly top: string,
    /** Path from `top` to the workspace folder, `""` or ending in `/`. */
    private readonly offset: string,
    /** Whether git's rules say all that is to be said, so that names of build results prove nothing. */
    private readonly inRepository: boolean,
    private readonly excludes: ExcludeRules,
  ) {}

  /**
   * Rules for the workspace folder at `root`. Where it lies inside a git repository, the ignore files above it up to the
   * repository's root count too, as they do for git; unless they leave out the workspace folder itself, which somebody
   * opened all the same.
   */
  static async create(root: string, settings: ExcludeSettings = noExcludes): Promise<IgnoreRules> {
    const excludes = new ExcludeRules(root, settings);
    const parts: string[] = [];
    for (let folder = root; ; folder = dirname(folder)) {
      if ((await gitFoldersAt(folder)) !== undefined) {
        const rules = new IgnoreRules(folder, parts.map((part) => `${part}/`).join(""), true, excludes);
        return (await rules.ignoresFolders(parts)) ? new IgnoreRules(root, "", true, excludes) : rules;
      }
      if (dirname(folder) === folder) return new IgnoreRules(root, "", false, excludes);
      parts.unshift(basename(folder));
    }
  }

  /**
   * Why one entry is left out, given that the folders it lies in are not; nothing where it is not.
   * @param path from the workspace folder, with `/`
   */
  async exclusionOf(path: string, isFolder: boolean): Promise<Exclusion | undefined> {
    const name = path.slice(path.lastIndexOf("/") + 1);
    const always =
      isFolder || name === ".git" ? skipByFolderName(name, { inRepository: true, takenBack: true }) : undefined;
    const excluded = always ?? (await this.excludes.exclusionOf(path, isFolder));
    if (excluded !== undefined) return excluded;
    const full = this.offset + path;
    const rules = await this.rulesIn(full.slice(0, full.lastIndexOf("/") + 1));
    if (rules.tooLarge !== undefined)
      return {
        reason: "ignored",
        detail: `${printable(rules.tooLarge)} is larger than ${maxIgnoreFileBytes / 2 ** 20} MiB, so that what it ignores is not known; make it smaller`,
      };
    const decision = await this.decide(rules, full, isFolder);
    if (typeof decision === "object") {
      const { source, line, pattern } = decision;
      return {
        reason: "ignored",
        detail: `${printable(source)}:${line} has the pattern ${printable(pattern)}`,
        rule: decision,
      };
    }
    const byName = isFolder
      ? skipByFolderName(name, {
          inRepository: this.inRepository || rules.repository !== undefined,
          takenBack: decision !== undefined,
        })
      : undefined;
    if (byName !== undefined) return byName;
    if (decision === "taken back by .selfracgignore" || (await this.excludes.takesBack(path, isFolder)))
      return undefined;
    const detail = secretByName(path, isFolder);
    return detail === undefined ? undefined : { reason: "secret", detail };
  }

  /**
   * Tells what stands in a folder that is walked, so that ignore files which are not there need not be asked for.
   * @param path from the workspace folder, `""` for itself
   */
  enter(path: string, names: ReadonlySet<string>): void {
    const folder = this.offset + (path === "" ? "" : `${path}/`);
    if (!this.folders.has(folder)) this.folders.set(folder, this.load(folder, names));
  }

  /** Takes note that a folder is gone, with the ignore files in it. @param path from the workspace folder */
  leave(path: string): void {
    const folder = `${this.offset}${path}/`;
    if (!this.folders.has(folder)) return;
    for (const each of this.folders.keys()) if (each.startsWith(folder)) this.folders.delete(each);
  }

  /** Whether a folder below `top` is ignored on the way down. @param parts the folders from `top` down */
  private async ignoresFolders(parts: readonly string[]): Promise<boolean> {
    let above = "";
    for (const part of parts) {
      if (typeof (await this.decide(await this.rulesIn(above), above + part, true)) === "object") return true;
      above += `${part}/`;
    }
    return false;
  }

  /** @param folder path from `top`, `""` or ending in `/` */
  private rulesIn(folder: string): Promise<FolderRules> {
    let rules = this.folders.get(folder);
    if (rules === undefined) {
      rules = this.load(folder);
      this.folders.set(folder, rules);
    }
    return rules;
  }

  /** @param names of what stands in the folder, where they are known */
  private async load(folder: string, names?: ReadonlySet<string>): Promise<FolderRules> {
    const isThere = (name: string): boolean => names === undefined || names.has(name);
    const above = folder === "" ? noRules : await this.rulesFor(folder.slice(0, -1));
    const gitFolders = isThere(".git") ? await gitFoldersAt(join(this.top, folder)) : undefined;
    const here = gitFolders && {
      ...(await readGitRepository(join(this.top, folder), gitFolders)),
      root: folder,
    };
    const repository = here ?? above.repository;
    let tooLarge: string | undefined;
    const read = async (source: string, isLinkAllowed: boolean): Promise<RuleFile[]> => {
      const content = await readIgnoreFile(source, isLinkAllowed);
      if (content === "too large") tooLarge ??= source;
      if (content === undefined || content === "too large") return [];
      const patterns = await IgnorePatterns.load(content, repository?.ignoreCase ?? false);
      return patterns === undefined ? [] : [{ source, base: byteString(folder).length, patterns }];
    };
    // Git takes no .gitignore that is a symbolic link (gitignore(5), NOTES).
    const git = isThere(".gitignore") ? await read(join(this.top, folder, ".gitignore"), false) : [];
    const own = isThere(".selfracgignore") ? await read(join(this.top, folder, ".selfracgignore"), true) : [];
    const inherited = here === undefined ? above : { ...noRules, own: above.own };
    const excludes =
      here === undefined ? above.git : (await Promise.all(here.excludeFiles.map((path) => read(path, true)))).flat();
    // Most folders have none: they share what holds above them.
    if (here === undefined && git.length === 0 && own.length === 0 && tooLarge === undefined) return above;
    return {
      ...inherited,
      own: [...own, ...above.own],
      git: [...git, ...excludes],
      repository,
      ...(tooLarge !== undefined && { tooLarge }),
    };
  }

  /** What the files above a folder say of what is in it. @param folder path from `top` */
  private async rulesFor(folder: string): Promise<FolderRules> {
    const rules = await this.rulesIn(folder.slice(0, folder.lastIndexOf("/") + 1));
    if (rules.ignored !== undefined || !isTracked(rules, folder)) return rules;
    const ignored = await this.firstMatch(rules.git, folder, true);
    return typeof ignored === "object" ? { ...rules, ignored } : rules;
  }

  private async decide(rules: FolderRules, path: string, isFolder: boolean): Promise<Decision> {
    const own = await this.firstMatch(rules.own, path, isFolder);
    if (own !== undefined) return own === "taken back" ? "taken back by .selfracgignore" : own;
    const git = rules.ignored ?? (await this.firstMatch(rules.git, path, isFolder));
    if (git === "taken back") return "taken back by git";
    return isTracked(rules, path) ? undefined : git;
  }

  private async firstMatch(
    files: readonly RuleFile[],
    path: string,
    isFolder: boolean,
  ): Promise<Required<IgnoreRule> | "taken back" | undefined> {
    const bytes = byteString(path);
    for (const { source, base, patterns } of files) {
      const found = await patterns.find(bytes.slice(base), isFolder, this.pace);
      if (found !== undefined)
        return typeof found === "object" ? { source, line: found.line, pattern: found.text } : found;
    }
    return undefined;
  }
}

const noRules: FolderRules = { own: [], git: [], repository: undefined };

/** Whether git tracks a file that a pattern ignores, or one in this folder. @param path from `top` */
function isTracked({ repository }: FolderRules, path: string): boolean {
  return repository?.tracked.has(path.slice(repository.root.length)) === true;
}

/** Nothing where there is no such file, or none that can be read. */
async function readIgnoreFile(path: string, isLinkAllowed: boolean): Promise<Uint8Array | "too large" | undefined> {
  try {
    // A pipe of that name must not be waited for.
    const file = await open(
      path,
      constants.O_RDONLY | constants.O_NONBLOCK | (isLinkAllowed ? 0 : constants.O_NOFOLLOW),
    );
    try {
      const found = await file.stat();
      if (!found.isFile()) return undefined;
      return found.size <= maxIgnoreFileBytes ? await file.readFile() : "too large";
    } finally {
      await file.close();
    }
  } catch {
    return undefined;
  }
}
