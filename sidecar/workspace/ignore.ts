// Which paths of a workspace folder are left out by .gitignore, .selfracgignore and well-known folder names.
import { readFile, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, dirname, join } from "node:path";
import ignore, { type Ignore } from "ignore";

/** Read in every folder, in this order: the own file can add to git's rules and take back from them. */
const ignoreFiles = [".gitignore", ".selfracgignore"] as const;

/** Never code of the workspace, tracked or not. */
const alwaysSkipped = new Set([
  ".git", ".hg", ".svn", ".jj", "node_modules", "bower_components", "jspm_packages", "__pycache__", "site-packages",
  ".venv", ".tox", ".nox", ".eggs", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".ipynb_checkpoints", ".gradle", ".m2", ".idea",
  ".vs", ".vscode-test", ".next", ".nuxt", ".svelte-kit", ".angular", ".parcel-cache", ".turbo", ".yarn", ".pnpm-store",
  ".cache", ".terraform", ".dart_tool", ".bundle", ".stack-work", ".bloop", ".metals", "DerivedData",
  ".ssh", ".aws", ".gnupg", ".kube", ".azure", ".docker",
]); // prettier-ignore

/**
 * Names of build results and of other people's code. In a git repository .gitignore already leaves them out, so one that
 * it lets through is tracked and meant; outside of one the name decides.
 */
const skippedUntracked = new Set([
  "build", "dist", "out", "target", "bin", "obj", "vendor", "venv", "env", "third_party", "Pods", "coverage", "htmlcov", "_build", "deps", "cmake-build-debug", "cmake-build-release",
]); // prettier-ignore

/**
 * The rules of one workspace folder. Every ignore file's patterns are rewritten as patterns of the topmost folder and
 * appended root first, so that git's "the last match wins" and "nothing comes back from under an ignored folder" hold
 * across files (gitignore(5)).
 */
export class IgnoreRules {
  /** Rules that hold in a folder, by its path from `top`. */
  private readonly rules = new Map<string, Promise<Ignore>>();

  private constructor(
    private readonly top: string,
    /** Path from `top` to the workspace folder, `""` or ending in `/`. */
    private readonly offset: string,
    /** Whether git's rules say all that is to be said, so that names of build results prove nothing. */
    private readonly inRepository: boolean,
  ) {}

  /**
   * Rules for the workspace folder at `root`. Where it lies inside a git repository, the ignore files above it up to the
   * repository's root count too, as they do for git; unless they leave out the workspace folder itself, which somebody
   * opened all the same.
   */
  static async create(root: string): Promise<IgnoreRules> {
    const parts: string[] = [];
    for (let folder = root; ; folder = dirname(folder)) {
      if (await exists(join(folder, ".git"))) {
        const rules = new IgnoreRules(folder, parts.map((part) => `${part}/`).join(""), true);
        return (await rules.skipsRoot(parts)) ? new IgnoreRules(root, "", true) : rules;
      }
      if (dirname(folder) === folder) return new IgnoreRules(root, "", false);
      parts.unshift(basename(folder));
    }
  }

  /**
   * Whether one entry is left out, given that the folders it lies in are not.
   * @param path from the workspace folder, with `/`
   */
  async skips(path: string, isFolder: boolean): Promise<boolean> {
    const name = path.slice(path.lastIndexOf("/") + 1);
    if (isFolder && alwaysSkipped.has(name)) return true;
    const full = this.offset + path;
    const parent = full.slice(0, full.lastIndexOf("/") + 1);
    const { ignored, unignored } = (await this.rulesIn(parent)).test(isFolder ? `${full}/` : full);
    return ignored || (isFolder && !this.inRepository && !unignored && skippedUntracked.has(name));
  }

  /** Whether an entry is left out, by itself or by a folder it lies in. @param path from the workspace folder, with `/` */
  async skipsPath(path: string, isFolder: boolean): Promise<boolean> {
    for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", slash + 1)) {
      if (await this.skips(path.slice(0, slash), true)) return true;
    }
    return this.skips(path, isFolder);
  }

  /** @param parts the folders from `top` down to the workspace folder */
  private async skipsRoot(parts: readonly string[]): Promise<boolean> {
    let above = "";
    for (const part of parts) {
      if ((await this.rulesIn(above)).ignores(`${above}${part}/`)) return true;
      above += `${part}/`;
    }
    return false;
  }

  /** @param folder path from `top`, `""` or ending in `/` */
  private rulesIn(folder: string): Promise<Ignore> {
    let rules = this.rules.get(folder);
    if (rules === undefined) {
      rules = this.load(folder);
      this.rules.set(folder, rules);
    }
    return rules;
  }

  private async load(folder: string): Promise<Ignore> {
    const above = folder === "" ? await this.repositoryRules() : await this.rulesIn(folder.slice(0, folder.lastIndexOf("/", folder.length - 2) + 1));
    const own: string[] = [];
    for (const name of ignoreFiles) own.push(...patternsOf(await readText(join(this.top, folder, name)), folder));
    // Most folders have none: they share their parent's rules and its cache.
    return own.length === 0 ? above : ignore({ ignorecase: false }).add(above).add(own);
  }

  private async repositoryRules(): Promise<Ignore> {
    const rules = ignore({ ignorecase: false });
    if (!this.inRepository) return rules;
    // The user's own file at git's default place; one named by core.excludesFile would take running git to find.
    const config = process.env["XDG_CONFIG_HOME"] || join(homedir(), ".config");
    for (const path of [join(config, "git", "ignore"), join(this.top, ".git", "info", "exclude")]) rules.add(patternsOf(await readText(path), ""));
    return rules;
  }
}

/** Patterns of an ignore file in `folder` (`""` or ending in `/`), rewritten to hold from the topmost folder. */
function patternsOf(text: string, folder: string): string[] {
  const prefix = folder.replace(/[\\*?[\]!# ]/g, "\\$&");
  return text.split(/\r?\n/).flatMap((line) => {
    if (line.startsWith("#") || line.trim() === "") return [];
    if (folder === "") return [line];
    const negated = line.startsWith("!");
    // In the middle of a pattern these two need no escape.
    const pattern = (negated ? line.slice(1) : line).replace(/^\\([!#])/, "$1");
    const anchored = /\/[^/\s]/.test(pattern);
    return [`${negated ? "!" : ""}/${prefix}${anchored ? "" : "**/"}${pattern.replace(/^\//, "")}`];
  });
}

async function readText(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    // Far beyond any real ignore file; one that large is not worth holding everything up for.
    return size > 1 << 20 ? "" : await readFile(path, "utf8");
  } catch {
    return "";
  }
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(() => true, () => false);
}
