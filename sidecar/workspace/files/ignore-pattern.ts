// The patterns of an ignore file with their lines, read and matched as git does.
import { Yielder } from "../../host/yield";
import { Wildcard } from "./wildmatch";

interface IgnorePattern {
  /** As written, escapes included. */
  readonly text: string;
  /** 1-based. */
  readonly line: number;
}

interface Pattern extends IgnorePattern {
  /** Begins with `!`: what matches is included again. */
  readonly negated: boolean;
  /** Ends with a slash. */
  readonly foldersOnly: boolean;
}

/** A pattern with wildcards that has to be matched with every path. */
interface WildPattern extends Pattern {
  /** Whether it is matched with the whole path instead of the name. */
  readonly paths: boolean;
  /** The text before the first wildcard, without `!` and a leading slash. */
  readonly prefix: string;
  /** The text after the prefix, without a trailing slash. */
  readonly rest: string;
  /** Compiled from the rest when it is first needed; "none" when it can match nothing. */
  wildcard: Wildcard | "none" | undefined;
}

/** The last patterns with one text, without wildcards: the last one for files and folders, and the last one for folders only. */
type LastPatterns = { any?: Pattern; folders?: Pattern };

/** A string with one character per byte of the UTF-8 text: git's `?` and `[...]` match one byte. */
export function byteString(text: string): string {
  return /^[\0-\x7f]*$/.test(text) ? text : Buffer.from(text, "utf8").toString("latin1");
}

/** Paths are relative to the ignore file's folder, as {@link byteString}. */
export class IgnorePatterns {
  /** Patterns without wildcards, by name or path: most files are long lists of these. */
  private readonly names = new Map<string, LastPatterns>();
  private readonly paths = new Map<string, LastPatterns>();
  /** Patterns of the form `*text`, by `text`, and the lengths of these texts. */
  private readonly suffixes = new Map<string, LastPatterns>();
  private readonly suffixLengths = new Set<number>();
  private readonly wild: WildPattern[] = [];

  private constructor(private readonly ignoreCase: boolean) {}

  /** @returns undefined when there is no pattern. @param content bytes of the ignore file, at most some kilobytes: it is read in one go */
  static read(content: Uint8Array, ignoreCase: boolean): IgnorePatterns | undefined {
    const patterns = new IgnorePatterns(ignoreCase);
    for (const [index, line] of linesOf(content).entries()) patterns.add(line, index + 1);
    return patterns.isEmpty ? undefined : patterns;
  }

  /** The same for a file of any size: other work can run in between. */
  static async load(content: Uint8Array, ignoreCase: boolean): Promise<IgnorePatterns | undefined> {
    const yielder = new Yielder();
    const patterns = new IgnorePatterns(ignoreCase);
    for (const [index, line] of linesOf(content).entries()) {
      patterns.add(line, index + 1);
      if (yielder.isDue) await yielder.yieldIfDue();
    }
    return patterns.isEmpty ? undefined : patterns;
  }

  /**
   * The pattern that ignores this path, or "included" when one with `!` includes it; undefined when none matches. The folders
   * above it must not be ignored. Other work can run between two patterns with wildcards.
   */
  async find(path: string, isFolder: boolean, yielder: Yielder): Promise<IgnorePattern | "included" | undefined> {
    const text = this.ignoreCase ? lowerCase(path) : path;
    const listed = this.lookUp(text, isFolder);
    for (let index = this.wild.length - 1; index >= 0; index--) {
      const pattern = this.wild[index];
      if (pattern === undefined || pattern.line < (listed?.line ?? 0)) break;
      const applies = isFolder || !pattern.foldersOnly;
      if (applies && this.endsOf(pattern, text, [text.length]).includes(text.length)) return outcome(pattern);
      if (yielder.isDue) await yielder.yieldIfDue();
    }
    return outcome(listed);
  }

  /** The pattern that ignores a file, or a folder above it, below which nothing can be included again. */
  matchFile(path: string): IgnorePattern | undefined {
    const text = this.ignoreCase ? lowerCase(path) : path;
    const ends = Array.from(text.matchAll(/\/|$/g), ({ index }) => index);
    const last = new Map(ends.map((end) => [end, this.lookUp(text.slice(0, end), end < text.length)]));
    for (const pattern of this.wild) {
      for (const end of this.endsOf(pattern, text, ends)) {
        if (pattern.foldersOnly && end === text.length) continue;
        if (pattern.line > (last.get(end)?.line ?? 0)) last.set(end, pattern);
      }
    }
    for (const pattern of last.values()) {
      const found = outcome(pattern);
      if (typeof found === "object") return found;
    }
    return undefined;
  }

  private get isEmpty(): boolean {
    return this.names.size + this.paths.size + this.suffixes.size + this.wild.length === 0;
  }

  private add(line: string, number: number): void {
    const text = patternIn(line);
    if (text === undefined) return;
    const negated = text.startsWith("!");
    const foldersOnly = text.endsWith("/");
    const body = text.slice(negated ? 1 : 0, foldersOnly ? -1 : undefined);
    const pattern = { text, line: number, negated, foldersOnly };
    const paths = body.includes("/");
    const compared = this.ignoreCase ? lowerCase(body) : body;
    if (!wildcards.test(body)) addLast(paths ? this.paths : this.names, compared.replace(/^\//, ""), pattern);
    else if (!paths && body.startsWith("*") && !wildcards.test(body.slice(1))) {
      addLast(this.suffixes, compared.slice(1), pattern);
      this.suffixLengths.add(compared.length - 1);
    } else this.wild.push(this.wildPattern(pattern, body.replace(/^\//, ""), paths));
  }

  private wildPattern(pattern: Pattern, body: string, paths: boolean): WildPattern {
    const prefix = body.slice(0, body.search(wildcards));
    return {
      ...pattern,
      paths,
      prefix: this.ignoreCase ? lowerCase(prefix) : prefix,
      rest: body.slice(prefix.length),
      wildcard: undefined,
    };
  }

  /** The last matching pattern of those that are found by name, path or suffix. */
  private lookUp(path: string, isFolder: boolean): Pattern | undefined {
    const name = nameOf(path);
    const found = [this.names.get(name), this.paths.get(path)];
    for (const length of this.suffixLengths)
      if (length <= name.length) found.push(this.suffixes.get(name.slice(name.length - length)));
    let last: Pattern | undefined;
    for (const patterns of found)
      for (const pattern of [patterns?.any, isFolder ? patterns?.folders : undefined])
        if (pattern !== undefined && (last === undefined || pattern.line > last.line)) last = pattern;
    return last;
  }

  /** The lengths of the beginnings of a path that match a pattern. */
  private endsOf(pattern: WildPattern, path: string, ends: readonly number[]): number[] {
    const { paths, prefix } = pattern;
    if (paths) {
      const found = path.startsWith(prefix) ? this.wildcardOf(pattern)?.ends(path.slice(prefix.length)) : undefined;
      return (found ?? []).map((length) => prefix.length + length);
    }
    return ends.filter((end) => {
      const name = nameOf(path.slice(0, end));
      return name.startsWith(prefix) && this.wildcardOf(pattern)?.matches(name.slice(prefix.length)) === true;
    });
  }

  /** As in git, the text before the first wildcard is not part of the wildcards: in `a**` they begin with `**`. */
  private wildcardOf(pattern: WildPattern): Wildcard | undefined {
    const { paths, rest } = pattern;
    pattern.wildcard ??= Wildcard.compile(rest, { paths, ignoreCase: this.ignoreCase }) ?? "none";
    return pattern.wildcard === "none" ? undefined : pattern.wildcard;
  }
}

/** Characters that begin a wildcard in git. */
const wildcards = /[*?[\\]/;

/** Lines of an ignore file, one character per byte. */
function linesOf(content: Uint8Array): string[] {
  return Buffer.from(content)
    .toString("latin1")
    .replace(/^\xef\xbb\xbf/, "")
    .split("\n");
}

/** A line's pattern as git reads it: without a carriage return, and without trailing spaces unless a backslash escapes them. */
function patternIn(line: string): string | undefined {
  if (line.startsWith("#")) return undefined;
  const [text = ""] = line.replace(/\r$/, "").split("\0", 1);
  let end = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === " ") continue;
    end = at + 1;
  }
  const pattern = text.slice(0, end);
  return /^!?\/*$/.test(pattern) ? undefined : pattern;
}

function addLast(patterns: Map<string, LastPatterns>, text: string, pattern: Pattern): void {
  const last = patterns.get(text) ?? {};
  if (pattern.foldersOnly) last.folders = pattern;
  else last.any = pattern;
  patterns.set(text, last);
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Letters of ASCII only: git ignores the case of no others. */
function lowerCase(bytes: string): string {
  return bytes.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

function outcome(pattern: Pattern | undefined): IgnorePattern | "included" | undefined {
  if (pattern === undefined) return undefined;
  if (pattern.negated) return "included";
  return { text: Buffer.from(pattern.text, "latin1").toString("utf8"), line: pattern.line };
}
