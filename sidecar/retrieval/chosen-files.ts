// Files that the user has pinned or banned, by patterns in the syntax of ignore files.
import { patternsOf } from "../workspace/exclude-settings";
import { byteString, type IgnorePatterns } from "../workspace/ignore-pattern";
import type { RetrievalLimits } from "./retrieval";

/** Paths whose answers are kept, more than an index holds files. */
const mostAnswers = 100_000;

/** Paths are relative to their workspace folder, with `/`. */
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
  pinnedBy(path: string): string | undefined {
    const pattern = this.pins.match(path);
    return pattern === undefined || this.bannedBy(path) !== undefined ? undefined : pattern;
  }

  /** The pattern that bans the file. */
  bannedBy(path: string): string | undefined {
    return this.bans.match(path);
  }
}

/** Patterns that are asked about the same paths again and again: a search may ask about every fragment. */
class Patterns {
  private readonly matcher: IgnorePatterns | undefined;
  private readonly answers = new Map<string, string | false>();

  constructor(patterns: readonly string[]) {
    this.matcher = patternsOf(patterns);
  }

  get empty(): boolean {
    return this.matcher === undefined;
  }

  match(path: string): string | undefined {
    if (this.matcher === undefined) return undefined;
    let answer = this.answers.get(path);
    if (answer === undefined) {
      const found = this.matcher.match(byteString(path), false);
      answer = typeof found === "object" ? found.text : false;
      if (this.answers.size >= mostAnswers) this.answers.clear();
      this.answers.set(path, answer);
    }
    return answer === false ? undefined : answer;
  }
}
