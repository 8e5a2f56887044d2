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
    return this.bannedBy(path) === undefined ? this.pins.match(path) : undefined;
  }

  /** The pattern that bans the file. */
  bannedBy(path: string): string | undefined {
    return this.bans.match(path);
  }
}

/** Patterns that are asked about the same paths again and again: a search may ask about every fragment. */
class Patterns {
  private readonly matcher: IgnorePatterns | undefined;
  private readonly answers = new Map<string, string | undefined>();

  constructor(patterns: readonly string[]) {
    this.matcher = patternsOf(patterns);
  }

  get empty(): boolean {
    return this.matcher === undefined;
  }

  match(path: string): string | undefined {
    if (this.matcher === undefined) return undefined;
    const known = this.answers.get(path);
    if (known !== undefined || this.answers.has(path)) return known;
    const found = this.matcher.match(byteString(path), false);
    const answer = typeof found === "object" ? found.text : undefined;
    if (this.answers.size >= mostAnswers) this.answers.clear();
    this.answers.set(path, answer);
    return answer;
  }
}
