// The files that the user has pinned or banned, by patterns in the syntax of ignore files.
import { patternsOf } from "../workspace/files/exclude-settings";
import { byteString, type IgnorePatterns } from "../workspace/files/ignore-pattern";
import type { Fragment } from "../workspace/fragment";
import type { RetrievalLimits } from "./types";

/** A file and where it lies: `path` is relative to its workspace folder, with `/`. */
type File = Pick<Fragment, "uri" | "path">;

/** Maximum number of paths whose answers are cached; more than an index holds files. */
const maxAnswers = 100_000;

/**
 * Patterns are relative to each workspace folder. One that begins with `./` and a folder's name, as in VS Code's search,
 * is relative to that folder and applies there only.
 */
export class FileRules {
  private readonly pins: PatternList;
  private readonly bans: PatternList;

  constructor({ pinnedFiles = [], bannedFiles = [] }: Pick<RetrievalLimits, "pinnedFiles" | "bannedFiles">) {
    this.pins = new PatternList(pinnedFiles);
    this.bans = new PatternList(bannedFiles);
  }

  /** Whether there is any pattern that pins files. */
  get hasPins(): boolean {
    return !this.pins.empty;
  }

  /** Whether there is any pattern that bans files. */
  get hasBans(): boolean {
    return !this.bans.empty;
  }

  /** The pattern that pins the file; undefined where none does, or where the file is banned. */
  pinnedBy(file: File): string | undefined {
    const pattern = this.pins.match(file);
    return pattern === undefined || this.bannedBy(file) !== undefined ? undefined : pattern;
  }

  /** The pattern that bans the file; undefined where none does. */
  bannedBy(file: File): string | undefined {
    return this.bans.match(file);
  }
}

/** `./`, a folder's name (which may hold escapes), and a pattern relative to that folder; `!` negates the pattern. */
const ofOneFolder = /^(?<not>!?)\.\/(?<name>(?:\\.|[^\\/])+)(?<rest>\/.+)?/;

/** The patterns for the files of one folder, and each of them as written in the setting. */
interface FolderPatterns {
  readonly matcher: IgnorePatterns | undefined;
  readonly settings: readonly string[];
}

/** The patterns of one setting. It caches its answers, since a search may ask about every fragment. */
class PatternList {
  private readonly lines: readonly string[];
  private readonly byFolder: boolean;
  /** By the folder's name; under the empty name where the patterns are the same for all folders. */
  private readonly folders = new Map<string, FolderPatterns>();
  /** By path where the patterns are the same for all folders, otherwise by URI. */
  private readonly answers = new Map<string, string | undefined>();

  constructor(patterns: readonly string[]) {
    this.lines = patterns.filter((pattern) => !pattern.includes("\n"));
    this.byFolder = this.lines.some((pattern) => ofOneFolder.test(pattern));
  }

  get empty(): boolean {
    return !this.byFolder && this.patternsFor("").matcher === undefined;
  }

  /** The pattern that matches the file. */
  match(file: File): string | undefined {
    if (this.empty) return undefined;
    const key = this.byFolder ? file.uri : file.path;
    if (this.answers.has(key)) return this.answers.get(key);
    const { matcher, settings } = this.patternsFor(this.byFolder ? folderName(file) : "");
    const found = matcher?.matchFile(byteString(file.path));
    const setting = found && settings[found.line - 1];
    // A pattern for one folder as written; any other without the trailing spaces that no backslash escapes.
    const answer = setting !== undefined && ofOneFolder.test(setting) ? setting : found?.text;
    if (this.answers.size >= maxAnswers) this.answers.clear();
    this.answers.set(key, answer);
    return answer;
  }

  private patternsFor(folder: string): FolderPatterns {
    const known = this.folders.get(folder);
    if (known !== undefined) return known;
    const applying = this.lines.flatMap((setting) => {
      const pattern = patternFor(folder, setting);
      return pattern === undefined ? [] : [{ setting, pattern }];
    });
    const matcher = patternsOf(applying.map(({ pattern }) => pattern));
    const patterns = { matcher, settings: applying.map(({ setting }) => setting) };
    this.folders.set(folder, patterns);
    return patterns;
  }
}

/** The pattern relative to the folder; undefined where it is for another folder. */
function patternFor(folder: string, setting: string): string | undefined {
  const { not, name, rest = "/*" } = ofOneFolder.exec(setting)?.groups ?? {};
  if (name === undefined) return setting;
  return name.replace(/\\(.)/g, "$1") === folder ? `${not}${rest}` : undefined;
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
