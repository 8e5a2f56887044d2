// Which paths of a workspace folder are left out by ignore files, settings and well-known folder names, and by which rule.
import { constants } from "node:fs";
import { open, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { IgnoreRule } from "../protocol";
import { ExcludeRules, type ExcludeSettings, noExcludes } from "./exclude-settings";
import { skipByFolderName } from "./folder-names";
import { type GitRepository, gitRepositoryAt } from "./git-repository";
import { byteString, IgnorePatterns } from "./ignore-pattern";
import { type Omission, printable } from "./omission";
import { secretByName } from "./secrets/names";

/** Far beyond any real ignore file; one that large is not worth holding everything up for. */
const largestIgnoreFile = 1 << 20;

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
  readonly repository: GitRepository | undefined;
}

/**
 * The rules of one workspace folder. Git's files count as they do for git: the last pattern of the deepest file decides,
 * nothing comes back from under an ignored folder, and a repository inside another one (a submodule, a worktree, a clone)
 * has its own rules and none of the outer one's. `.selfracgignore` has the last word over them, from the topmost folder
 * down; the settings only add. What is secret by its name is left out unless `!` in `.selfracgignore` or in
 * `selfracg.exclude` takes it back: git tracks secrets too, so its rules do not.
 */
export class IgnoreRules {
  /** By path from `top`, `""` or ending in `/`. */
  private readonly folders = new Map<string, Promise<FolderRules>>();

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
      if (await exists(join(folder, ".git"))) {
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
  async omits(path: string, isFolder: boolean): Promise<Omission | undefined> {
    const name = path.slice(path.lastIndexOf("/") + 1);
    const always =
      isFolder || name === ".git" ? skipByFolderName(name, { inRepository: true, takenBack: true }) : undefined;
    const excluded = always ?? (await this.excludes.omits(path, isFolder));
    if (excluded !== undefined) return excluded;
    const full = this.offset + path;
    const rules = await this.rulesIn(full.slice(0, full.lastIndexOf("/") + 1));
    const decision = decide(rules, full, isFolder);
    if (typeof decision === "object") {
      const { source, line, pattern } = decision;
      return {
        skip: "ignored",
        because: `${printable(source)}:${line} has the pattern ${printable(pattern)}`,
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
    if (decision === "taken back by .selfracgignore" || this.excludes.takesBack(path, isFolder)) return undefined;
    const because = secretByName(path, isFolder);
    return because === undefined ? undefined : { skip: "secret", because };
  }

  /**
   * Tells what stands in a folder that is walked, so that ignore files which are not there need not be asked for.
   * @param path from the workspace folder, `""` for itself
   */
  enter(path: string, names: ReadonlySet<string>): void {
    const folder = this.offset + (path === "" ? "" : `${path}/`);
    if (!this.folders.has(folder)) this.folders.set(folder, this.load(folder, names));
  }

  /** Whether a folder below `top` is ignored on the way down. @param parts the folders from `top` down */
  private async ignoresFolders(parts: readonly string[]): Promise<boolean> {
    let above = "";
    for (const part of parts) {
      if (typeof decide(await this.rulesIn(above), above + part, true) === "object") return true;
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

  /** What holds in a folder by the files above it: where one of them ignores the folder, another has taken it back. */
  private async rulesAbove(folder: string): Promise<FolderRules> {
    const rules = await this.rulesIn(folder.slice(0, folder.lastIndexOf("/") + 1));
    const path = byteString(folder);
    const { own, git } = rules;
    if (![...own, ...git].some(({ base, patterns }) => typeof patterns.match(path.slice(base), true) === "object"))
      return rules;
    const takenBack = (file: RuleFile): RuleFile => ({
      ...file,
      patterns: file.patterns.takingBack(path.slice(file.base)),
    });
    return { ...rules, own: own.map(takenBack), git: git.map(takenBack) };
  }

  /** @param names of what stands in the folder, where they are known */
  private async load(folder: string, names?: ReadonlySet<string>): Promise<FolderRules> {
    const isThere = (name: string): boolean => names === undefined || names.has(name);
    const above: FolderRules =
      folder === "" ? { own: [], git: [], repository: undefined } : await this.rulesAbove(folder.slice(0, -1));
    const here = isThere(".git") ? await gitRepositoryAt(join(this.top, folder)) : undefined;
    const repository = here ?? above.repository;
    const read = async (source: string, isLinkAllowed: boolean): Promise<RuleFile[]> => {
      const content = await readIgnoreFile(source, isLinkAllowed);
      const patterns =
        content === undefined ? undefined : IgnorePatterns.read(content, repository?.ignoreCase ?? false);
      return patterns === undefined ? [] : [{ source, base: byteString(folder).length, patterns }];
    };
    // Git takes no .gitignore that is a symbolic link (gitignore(5), NOTES).
    const git = isThere(".gitignore") ? await read(join(this.top, folder, ".gitignore"), false) : [];
    const own = isThere(".selfracgignore") ? await read(join(this.top, folder, ".selfracgignore"), true) : [];
    const excludes =
      here === undefined ? above.git : (await Promise.all(here.excludeFiles.map((path) => read(path, true)))).flat();
    // Most folders have none: they share what holds above them.
    if (here === undefined && git.length === 0 && own.length === 0) return above;
    return { own: [...own, ...above.own], git: [...git, ...excludes], repository };
  }
}

function decide(
  { own, git }: FolderRules,
  path: string,
  isFolder: boolean,
): Required<IgnoreRule> | "taken back by .selfracgignore" | "taken back by git" | undefined {
  const bytes = byteString(path);
  for (const files of [own, git]) {
    for (const { source, base, patterns } of files) {
      const found = patterns.match(bytes.slice(base), isFolder);
      if (typeof found === "object") return { source, line: found.line, pattern: found.text };
      if (found !== undefined) return files === own ? "taken back by .selfracgignore" : "taken back by git";
    }
  }
  return undefined;
}

/** Nothing where there is no such file, or none that can be read. */
async function readIgnoreFile(path: string, isLinkAllowed: boolean): Promise<Uint8Array | undefined> {
  try {
    // A pipe of that name must not be waited for.
    const file = await open(
      path,
      constants.O_RDONLY | constants.O_NONBLOCK | (isLinkAllowed ? 0 : constants.O_NOFOLLOW),
    );
    try {
      const found = await file.stat();
      return found.isFile() && found.size <= largestIgnoreFile ? await file.readFile() : undefined;
    } finally {
      await file.close();
    }
  } catch {
    return undefined;
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
