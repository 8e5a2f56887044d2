// The patterns of an ignore file, read and matched as git does, and where each of them is written.
import { Pace } from "../../host/yield";
import { Wildcard } from "./wildmatch";

export interface IgnorePattern {
  /** As written, escapes included. */
  readonly text: string;
  /** 1-based. */
  readonly line: number;
}

interface Pattern extends IgnorePattern {
  /** Behind `!`: what matches is taken back. */
  readonly takesBack: boolean;
  /** In front of a slash at the end. */
  readonly foldersOnly: boolean;
}

/** A pattern with wildcards that no index finds. */
interface WildPattern extends Pattern {
  /** Whether it is about the whole path, not the name alone. */
  readonly paths: boolean;
  /** What stands before the first wildcard, without `!` and a slash in front. */
  readonly prefix: string;
  /** What follows, without a slash at the end. */
  readonly rest: string;
  /** Of the rest, made when it is first asked; "none" where it can match nothing. */
  wildcard: Wildcard | "none" | undefined;
}

/** The last patterns of one text without wildcards: the one for files and folders, the one for folders alone. */
type LastPatterns = { any?: Pattern; folders?: Pattern };

/** A string with one character a byte of the UTF-8 text: git's `?` and `[...]` stand for one byte. */
export function byteString(text: string): string {
  return /^[\0-\x7f]*$/.test(text) ? text : Buffer.from(text, "utf8").toString("latin1");
}

/** Paths are from the ignore file's folder, as {@link byteString}. */
export class IgnorePatterns {
  /** Patterns without wildcards, by name or path: most files are long lists of these. */
  private readonly names = new Map<string, LastPatterns>();
  private readonly paths = new Map<string, LastPatterns>();
  /** Names of the form `*text`, by `text`, and the lengths of those. */
  private readonly suffixes = new Map<string, LastPatterns>();
  private readonly suffixLengths = new Set<number>();
  private readonly wild: WildPattern[] = [];

  private constructor(private readonly ignoreCase: boolean) {}

  /** Nothing where there is no pattern. @param content bytes of the ignore file, at most some kilobytes: it is read at once */
  static read(content: Uint8Array, ignoreCase: boolean): IgnorePatterns | undefined {
    const patterns = new IgnorePatterns(ignoreCase);
    for (const [index, line] of linesOf(content).entries()) patterns.add(line, index + 1);
    return patterns.isEmpty ? undefined : patterns;
  }

  /** The same for a file of any size: other work goes on meanwhile. */
  static async load(content: Uint8Array, ignoreCase: boolean): Promise<IgnorePatterns | undefined> {
    const pace = new Pace();
    const patterns = new IgnorePatterns(ignoreCase);
    for (const [index, line] of linesOf(content).entries()) {
      patterns.add(line, index + 1);
      if (pace.due) await pace.rest();
    }
    return patterns.isEmpty ? undefined : patterns;
  }

  /**
   * The pattern that ignores this path, or whether one takes it back; nothing where none is about it. The folders above it
   * must be none that are ignored. Other work goes on between two patterns with wildcards.
   */
  async find(path: string, isFolder: boolean, pace: Pace): Promise<IgnorePattern | "taken back" | undefined> {
    const text = this.ignoreCase ? lowerCase(path) : path;
    const listed = this.lookUp(text, isFolder);
    for (let index = this.wild.length - 1; index >= 0; index--) {
      const pattern = this.wild[index];
      if (pattern === undefined || pattern.line < (listed?.line ?? 0)) break;
      const isMeant = isFolder || !pattern.foldersOnly;
      if (isMeant && this.endsOf(pattern, text, [text.length]).includes(text.length)) return outcome(pattern);
      if (pace.due) await pace.rest();
    }
    return outcome(listed);
  }

  /** The pattern that ignores a file by itself or with a folder above it, from where nothing comes back. */
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
    const takesBack = text.startsWith("!");
    const foldersOnly = text.endsWith("/");
    const body = text.slice(takesBack ? 1 : 0, foldersOnly ? -1 : undefined);
    const pattern = { text, line: number, takesBack, foldersOnly };
    const paths = body.includes("/");
    const compared = this.ignoreCase ? lowerCase(body) : body;
    if (!wildcards.test(body)) remember(paths ? this.paths : this.names, compared.replace(/^\//, ""), pattern);
    else if (!paths && body.startsWith("*") && !wildcards.test(body.slice(1))) {
      remember(this.suffixes, compared.slice(1), pattern);
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

  /** The last of the patterns that an index finds. */
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

  /** Which beginnings of a path, by their length, match a pattern. */
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

  /** As git does, what stands before the first wildcard is no part of the wildcards: `a**` begins with `**`. */
  private wildcardOf(pattern: WildPattern): Wildcard | undefined {
    const { paths, rest } = pattern;
    pattern.wildcard ??= Wildcard.compile(rest, { paths, ignoreCase: this.ignoreCase }) ?? "none";
    return pattern.wildcard === "none" ? undefined : pattern.wildcard;
  }
}

/** What git takes for the beginning of a wildcard. */
const wildcards = /[*?[\\]/;

/** Lines of an ignore file, one character a byte. */
function linesOf(content: Uint8Array): string[] {
  return Buffer.from(content)
    .toString("latin1")
    .replace(/^\xef\xbb\xbf/, "")
    .split("\n");
}

/** A line's pattern as git reads it: without a carriage return, and without the spaces at its end that no backslash keeps. */
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

function remember(patterns: Map<string, LastPatterns>, text: string, pattern: Pattern): void {
  const last = patterns.get(text) ?? {};
  if (pattern.foldersOnly) last.folders = pattern;
  else last.any = pattern;
  patterns.set(text, last);
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Letters of ASCII alone: those of UTF-8's other bytes have no case in git. */
function lowerCase(bytes: string): string {
  return bytes.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());
}

function outcome(pattern: Pattern | undefined): IgnorePattern | "taken back" | undefined {
  if (pattern === undefined) return undefined;
  if (pattern.takesBack) return "taken back";
  return { text: Buffer.from(pattern.text, "latin1").toString("utf8"), line: pattern.line };
}
