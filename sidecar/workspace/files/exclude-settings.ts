// The settings that exclude files in addition to ignore files: `selfracg.exclude`, and the editor's `files.exclude`.
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { expand } from "brace-expansion";
import { Yielder } from "../../host/yield";
import type { Exclusion } from "./exclusion";
import { byteString, IgnorePatterns } from "./ignore-pattern";

export interface ExcludeSettings {
  /** `selfracg.exclude`: patterns in the syntax of ignore files, relative to the workspace folder. */
  readonly exclude: readonly string[];
  /** VS Code's `files.exclude`: globs with true, or with `{when}` and the name of a sibling that must exist. */
  readonly filesExclude: Readonly<Record<string, unknown>>;
}

export const noExcludes: ExcludeSettings = { exclude: [], filesExclude: {} };

/** Globs that one glob may expand to; further choices are ignored. */
const maxExpansions = 256;

interface EditorGlob {
  readonly glob: string;
  readonly patterns: IgnorePatterns;
  /** Name of the sibling that must exist, with `$(basename)` for the file's name without its extension. */
  readonly when: string | undefined;
}

/** The rules of both settings for one workspace folder. A pattern with `!` also includes a file with the name of a secret. */
export class ExcludeRules {
  private readonly patterns: IgnorePatterns | undefined;
  private readonly globs: readonly EditorGlob[];
  private readonly yielder = new Yielder();

  /** @param root the workspace folder */
  constructor(
    private readonly root: string,
    { exclude, filesExclude }: ExcludeSettings,
  ) {
    this.patterns = patternsOf(exclude);
    this.globs = Object.entries(filesExclude).flatMap(([glob, value]) => {
      const when = siblingOf(value);
      if (value !== true && when === undefined) return [];
      // With `when`, only the files themselves are matched: a folder without the sibling is not excluded.
      const patterns = patternsOf([...expandBraces(glob).map(anchored), ...(when === undefined ? [] : ["!*/"])]);
      return patterns === undefined ? [] : [{ glob, patterns, when }];
    });
  }

  /** Why an entry is excluded, if it is. @param path from the workspace folder, with `/` */
  async exclusionOf(path: string, isFolder: boolean): Promise<Exclusion | undefined> {
    if (this.patterns === undefined && this.globs.length === 0) return undefined;
    const bytes = byteString(path);
    const own = await this.patterns?.find(bytes, isFolder, this.yielder);
    if (typeof own === "object") return excluded("selfracg.exclude", own.text);
    for (const { glob, patterns, when } of this.globs) {
      const found = await patterns.find(bytes, isFolder && when === undefined, this.yielder);
      if (typeof found !== "object") continue;
      if (when === undefined || (await this.hasSibling(path, when))) return excluded("files.exclude", glob);
    }
    return undefined;
  }

  /** Whether a pattern of `selfracg.exclude` with `!` includes an entry. @param path from the workspace folder, with `/` */
  async includes(path: string, isFolder: boolean): Promise<boolean> {
    return (await this.patterns?.find(byteString(path), isFolder, this.yielder)) === "included";
  }

  private async hasSibling(path: string, when: string): Promise<boolean> {
    const folder = path.slice(0, path.lastIndexOf("/") + 1);
    const name = path.slice(folder.length);
    const dot = name.lastIndexOf(".");
    const sibling = when.replaceAll("$(basename)", () => (dot > 0 ? name.slice(0, dot) : name));
    return stat(join(this.root, folder, sibling)).then(
      () => true,
      () => false,
    );
  }
}

function excluded(source: string, pattern: string): Exclusion {
  return {
    reason: "excluded",
    detail: `the setting ${source} has ${JSON.stringify(pattern)}`,
    rule: { source, pattern },
  };
}

/** A setting's patterns. Entries with a line break, and empty ones, match nothing. */
export function patternsOf(lines: readonly string[]): IgnorePatterns | undefined {
  return IgnorePatterns.read(Buffer.from(lines.filter((line) => !line.includes("\n")).join("\n")), false);
}

function siblingOf(value: unknown): string | undefined {
  const when: unknown = typeof value === "object" && value !== null && "when" in value ? value.when : undefined;
  return typeof when === "string" && when !== "" ? when : undefined;
}

/** A VS Code glob as a pattern of an ignore file: relative to the folder unless it begins with `**`, and without escapes. */
function anchored(glob: string): string {
  const pattern = glob.replaceAll("\\", "\\\\").replace(/ +$/, (spaces) => "\\ ".repeat(spaces.length));
  return pattern.startsWith("**/") ? pattern : `/${pattern.replace(/^\//, "")}`;
}

/** All globs without braces that a glob with `{a,b}` stands for. Braces around a single choice, as in `{a}`, are removed. */
export function expandBraces(glob: string): string[] {
  return expand(glob.replace(/\{([^{},]*)\}/g, "$1"), { max: maxExpansions });
}
