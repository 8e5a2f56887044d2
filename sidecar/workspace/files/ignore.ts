// Which paths of a workspace folder are excluded by ignore files, settings and well-known folder names, and by which rule.
import { open } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { errorCode, errorMessage } from "../../host/errors";
import { readFlags, readFlagsNoLink } from "../../host/regular-file";
import { Yielder } from "../../host/yield";
import type { IgnoreRule } from "../../protocol";
import { ExcludeRules, type ExcludeSettings, noExcludes } from "./exclude-settings";
import { type Exclusion, printable } from "./exclusion";
import { excludeByFolderName } from "./folder-names";
import { type GitRepository, gitFoldersAt, readGitRepository } from "./git-repository";
import { byteString, IgnorePatterns } from "./ignore-pattern";
import { secretByName } from "./secrets/names";

/** Some hundred thousand patterns. Where a file is larger, its whole folder is excluded, because what it ignores is not known. */
const maxIgnoreFileBytes = 8 * 2 ** 20;

/** The patterns of one ignore file, which apply below `base`. */
interface RuleFile {
  readonly source: string;
  /** Length of the path from `top` to the folder it applies to, including the slash, as {@link byteString}. */
  readonly base: number;
  readonly patterns: IgnorePatterns;
}

/** The rules for the entries of one folder. Both lists begin with the file that decides first. */
interface FolderRules {
  /** `.selfracgignore` of this folder and those above. */
  readonly own: readonly RuleFile[];
  /** `.gitignore` of this folder and those above it in its repository, info/exclude and the user's ignore file. */
  readonly git: readonly RuleFile[];
  readonly repository: Repository | undefined;
  /** The rule that ignores this folder, which is walked nevertheless because git tracks files in it. */
  readonly ignored?: Required<IgnoreRule>;
  /** Why it is not known what an ignore file of this folder or one above ignores: all below is excluded. */
  readonly unknown?: string;
}

interface Repository extends GitRepository {
  /** Path of its root from `top`, `""` or ending in `/`. */
  readonly root: string;
}

/** The rule that excludes a path, or whose rules include it again; undefined where no rule is about it. */
type Decision = Required<IgnoreRule> | "included by .selfracgignore" | "included by git" | undefined;

/**
 * The rules of one workspace folder. Git's files are applied as git applies them: the last pattern of the deepest file decides,
 * nothing below an ignored folder can be included again, tracked files are not ignored, and a repository inside another one (a
 * submodule, a worktree, a clone) has its own rules and none of the outer one's. `.selfracgignore` files override them, from the
 * topmost folder down; the settings only exclude more. A file with the name of a secret is excluded unless a pattern with `!` in
 * `.selfracgignore` or `selfracg.exclude` includes it: git's rules do not, because people track secrets by mistake.
 */
export class IgnoreRules {
  /** By path from `top`, `""` or ending in `/`. */
  private readonly folders = new Map<string, Promise<FolderRules>>();
  private readonly yielder = new Yielder();
  /** Why folders are excluded whose ignore files could not be read, in sentences; whoever tells them takes them out. */
  readonly problems: string[] = [];

  private constructor(
    private readonly top: string,
    /** Path from `top` to the workspace folder, `""` or ending in `/`. */
    private readonly offset: string,
    /** Whether the folder lies in a git repository, whose rules say which folders are build results. */
    private readonly inRepository: boolean,
    private readonly excludes: ExcludeRules,
  ) {}

  /**
   * Rules for the workspace folder at `root`. Where it lies inside a git repository, the ignore files above it up to the
   * repository's root apply too, as they do for git; unless they exclude the workspace folder itself, which the user
   * opened nevertheless.
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
   * Why an entry is excluded, undefined when it is not. The folders above it must not be excluded.
   * @param path from the workspace folder, with `/`
   */
  async exclusionOf(path: string, isFolder: boolean): Promise<Exclusion | undefined> {
    const name = path.slice(path.lastIndexOf("/") + 1);
    const always =
      isFolder || name === ".git" ? excludeByFolderName(name, { inRepository: true, isIncluded: true }) : undefined;
    const excluded = always ?? (await this.excludes.exclusionOf(path, isFolder));
    if (excluded !== undefined) return excluded;
    const full = this.offset + path;
    const rules = await this.rulesIn(full.slice(0, full.lastIndexOf("/") + 1));
    if (rules.unknown !== undefined) return { reason: "ignored", detail: rules.unknown };
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
      ? excludeByFolderName(name, {
          inRepository: this.inRepository || rules.repository !== undefined,
          isIncluded: decision !== undefined,
        })
      : undefined;
    if (byName !== undefined) return byName;
    if (decision === "included by .selfracgignore" || (await this.excludes.includes(path, isFolder))) return undefined;
    const detail = secretByName(path, isFolder);
    return detail === undefined ? undefined : { reason: "secret", detail };
  }

  /**
   * Notes the names in a folder that is walked, so that ignore files which do not exist need not be opened.
   * @param path from the workspace folder, `""` for itself
   */
  enter(path: string, names: ReadonlySet<string>): void {
    const folder = this.offset + (path === "" ? "" : `${path}/`);
    if (!this.folders.has(folder)) this.folders.set(folder, this.load(folder, names));
  }

  /** Notes that a folder was deleted, with the ignore files in it. @param path from the workspace folder */
  leave(path: string): void {
    const folder = `${this.offset}${path}/`;
    if (!this.folders.has(folder)) return;
    for (const each of this.folders.keys()) if (each.startsWith(folder)) this.folders.delete(each);
  }

  /** Whether one of these folders is ignored. @param parts the folders from `top` down */
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

  /** @param names of the entries of the folder, where they are known */
  private async load(folder: string, names?: ReadonlySet<string>): Promise<FolderRules> {
    const isThere = (name: string): boolean => names === undefined || names.has(name);
    const above = folder === "" ? noRules : await this.rulesFor(folder.slice(0, -1));
    const gitFolders = isThere(".git") ? await gitFoldersAt(join(this.top, folder)) : undefined;
    const here = gitFolders && {
      ...(await readGitRepository(join(this.top, folder), gitFolders)),
      root: folder,
    };
    const repository = here ?? above.repository;
    let unknown: string | undefined;
    const read = async (source: string, isLinkAllowed: boolean): Promise<RuleFile[]> => {
      const content = await readIgnoreFile(source, isLinkAllowed);
      if (typeof content === "string") {
        const problem = `${printable(source)} ${content}`;
        if (unknown === undefined)
          this.problems.push(`${problem}. Until then ${printable(join(this.top, folder))} is not indexed.`);
        unknown ??= problem;
      }
      if (content === undefined || typeof content === "string") return [];
      const patterns = await IgnorePatterns.load(content, repository?.ignoreCase ?? false);
      return patterns === undefined ? [] : [{ source, base: byteString(folder).length, patterns }];
    };
    // Git does not read a .gitignore that is a symbolic link (gitignore(5), NOTES).
    const git = isThere(".gitignore") ? await read(join(this.top, folder, ".gitignore"), false) : [];
    const own = isThere(".selfracgignore") ? await read(join(this.top, folder, ".selfracgignore"), true) : [];
    const inherited = here === undefined ? above : { ...noRules, own: above.own };
    const excludes =
      here === undefined ? above.git : (await Promise.all(here.excludeFiles.map((path) => read(path, true)))).flat();
    // Most folders have no ignore file: they share the rules of the folder above.
    if (here === undefined && git.length === 0 && own.length === 0 && unknown === undefined) return above;
    return {
      ...inherited,
      own: [...own, ...above.own],
      git: [...git, ...excludes],
      repository,
      ...(unknown !== undefined && { unknown }),
    };
  }

  /** The rules of the files above a folder for the entries of it. @param folder path from `top` */
  private async rulesFor(folder: string): Promise<FolderRules> {
    const rules = await this.rulesIn(folder.slice(0, folder.lastIndexOf("/") + 1));
    if (rules.ignored !== undefined || !isTracked(rules, folder)) return rules;
    const ignored = await this.firstMatch(rules.git, folder, true);
    return typeof ignored === "object" ? { ...rules, ignored } : rules;
  }

  private async decide(rules: FolderRules, path: string, isFolder: boolean): Promise<Decision> {
    const own = await this.firstMatch(rules.own, path, isFolder);
    if (own !== undefined) return own === "included" ? "included by .selfracgignore" : own;
    const git = rules.ignored ?? (await this.firstMatch(rules.git, path, isFolder));
    if (git === "included") return "included by git";
    return isTracked(rules, path) ? undefined : git;
  }

  private async firstMatch(
    files: readonly RuleFile[],
    path: string,
    isFolder: boolean,
  ): Promise<Required<IgnoreRule> | "included" | undefined> {
    const bytes = byteString(path);
    for (const { source, base, patterns } of files) {
      const found = await patterns.find(bytes.slice(base), isFolder, this.yielder);
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

/** Its content, or why what it ignores is not known; undefined where there is no such file. */
async function readIgnoreFile(path: string, isLinkAllowed: boolean): Promise<Uint8Array | string | undefined> {
  try {
    const file = await open(path, isLinkAllowed ? readFlags : readFlagsNoLink);
    try {
      const found = await file.stat();
      if (!found.isFile()) return undefined;
      return found.size <= maxIgnoreFileBytes
        ? await file.readFile()
        : `is larger than ${maxIgnoreFileBytes / 2 ** 20} MiB, so that what it ignores is not known; make it smaller`;
    } finally {
      await file.close();
    }
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR" || (code === "ELOOP" && !isLinkAllowed)) return undefined;
    return `cannot be read (${code ?? errorMessage(error)}), so that what it ignores is not known; make it readable`;
  }
}
