// Files that the user has pinned or banned, by patterns in the syntax of ignore files, in every workspace folder or in one.
import { patternsOf } from "../workspace/files/exclude-settings";
import { byteString, type IgnorePatterns } from "../workspace/files/ignore-pattern";
import type { Fragment } from "../workspace/fragment";
import type { RetrievalLimits } from "./types";

/** A file and where it lies: `path` is relative to its workspace folder, with `/`. */
type File = Pick<Fragment, "uri" | "path">;

/** Paths whose answers are kept, more than an index holds files. */
const mostAnswers = 100_000;

/**
 * Patterns are from each workspace folder. One that begins with `./` and a folder's name, as in VS Code's search, is from
 * that folder alone.
 */
export class ChosenFiles {
  private readonly pins: Patterns;
  private readonly bans: Patterns;

  constructor({ pinnedFiles = [], bannedFiles = [] }: Pick<RetrievalLimits, "pinnedFiles" | "bannedFiles">) {
    this.pins = new Patterns(pinnedFiles);
    this.bans = new Patterns(bannedFiles);
  }

  /** Whether any file can be pinned. */
  get hasPins(): boolean {
    return !this.pins.empty;
  }

  /** Whether any file can be banned. */
  get hasBans(): boolean {
    return !this.bans.empty;
  }

  /** The pattern that pins the file; nothing for one that is banned. */
  pinnedBy(file: File): string | undefined {
    const pattern = this.pins.match(file);
    return pattern === undefined || this.bannedBy(file) !== undefined ? undefined : pattern;
  }

  /** The pattern that bans the file. */
  bannedBy(file: File): string | undefined {
    return this.bans.match(file);
  }
}

/** `./`, a folder's name with what is escaped in it, and a pattern from there; `!` before it takes back. */
const ofOneFolder = /^(?<not>!?)\.\/(?<name>(?:\\.|[^\\/])+)(?<rest>\/.+)?/;

/** A pattern as one folder reads it. */
interface Line {
  readonly pattern: string;
  /** As in the setting. */
  readonly written: string;
}

/** Patterns that are asked about the same files again and again: a search may ask about every fragment. */
class Patterns {
  private readonly lines: readonly string[];
  private readonly byFolder: boolean;
  /** By the name of the folder; by the empty one where all read the same. */
  private readonly readers = new Map<string, Reader>();
  /** By path where all folders read the same, else by URI. */
  private readonly answers = new Map<string, string | false>();

  constructor(patterns: readonly string[]) {
    this.lines = patterns.filter((pattern) => !pattern.includes("\n"));
    this.byFolder = this.lines.some((pattern) => ofOneFolder.test(pattern));
  }

  get empty(): boolean {
    return !this.byFolder && this.readerFor("").empty;
  }

  match(file: File): string | undefined {
    if (this.empty) return undefined;
    const key = this.byFolder ? file.uri : file.path;
    let answer = this.answers.get(key);
    if (answer === undefined) {
      answer = this.readerFor(this.byFolder ? folderName(file) : "").match(file.path) ?? false;
      if (this.answers.size >= mostAnswers) this.answers.clear();
      this.answers.set(key, answer);
    }
    return answer === false ? undefined : answer;
  }

  private readerFor(folder: string): Reader {
    let reader = this.readers.get(folder);
    if (reader === undefined) {
      reader = new Reader(this.lines.flatMap((written) => lineFor(folder, written)));
      this.readers.set(folder, reader);
    }
    return reader;
  }
}

/** The patterns that one folder reads, in order. */
class Reader {
  private readonly matcher: IgnorePatterns | undefined;

  constructor(private readonly lines: readonly Line[]) {
    this.matcher = patternsOf(lines.map(({ pattern }) => pattern));
  }

  get empty(): boolean {
    return this.matcher === undefined;
  }

  match(path: string): string | undefined {
    const found = this.matcher?.matchFile(byteString(path));
    if (found === undefined) return undefined;
    const line = this.lines[found.line - 1];
    return line === undefined || line.pattern === line.written ? found.text : line.written;
  }
}

/** Nothing where the pattern is about another folder. */
function lineFor(folder: string, written: string): Line[] {
  const { not, name, rest = "/*" } = ofOneFolder.exec(written)?.groups ?? {};
  if (name === undefined) return [{ pattern: written, written }];
  return name.replace(/\\(.)/g, "$1") === folder ? [{ pattern: `${not}${rest}`, written }] : [];
}

/** The last part of the path of the file's workspace folder; empty where the URI does not end with the path. */
function folderName({ uri, path }: File): string {
  let decoded: string;
  try {
    decoded = decodeURIComponent(uri);
  } catch {
    return "";
  }
  if (!decoded.endsWith(`/${path}`)) return "";
  const folder = decoded.slice(0, -path.length - 1);
  return folder.slice(folder.lastIndexOf("/") + 1);
}
