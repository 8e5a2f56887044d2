// The patterns of an ignore file, matched by the package `ignore`, and where each of them is written.
import ignore, { type Ignore, type Pattern } from "ignore";

export interface IgnorePattern {
  /** As written, escapes included. */
  readonly text: string;
  /** 1-based. */
  readonly line: number;
}

/** Each one more multiplies the time to match a deep path. Patterns with more, which nobody writes in good faith, match nothing. */
const mostGlobstars = 4;

/** The package keeps the answer for every path it was ever asked about; rules live as long as a window. */
const mostAnswersKept = 10_000;

/** A string with one character a byte of the UTF-8 text: git's `?` and `[...]` stand for one byte. */
export function byteString(text: string): string {
  return /^[\0-\x7f]*$/.test(text) ? text : Buffer.from(text, "utf8").toString("latin1");
}

/** Paths are from the ignore file's folder, as {@link byteString}. */
export class IgnorePatterns {
  private answers = 0;

  private constructor(private matcher: Ignore) {}

  /** Nothing where there is no pattern. @param content bytes of the ignore file */
  static read(content: Uint8Array, ignoreCase: boolean): IgnorePatterns | undefined {
    const lines = Buffer.from(content)
      .toString("latin1")
      .replace(/^\xef\xbb\xbf/, "")
      .split("\n");
    const patterns = lines.flatMap((pattern, index) => {
      const says = !/^#|^ *\r?$/.test(pattern) && pattern.split("**").length <= mostGlobstars + 1;
      return says ? [{ pattern, mark: `${index + 1}` }] : [];
    });
    return patterns.length === 0 ? undefined : new IgnorePatterns(matcherOf(patterns, ignoreCase));
  }

  /**
   * The pattern that ignores this path, or whether one takes it back; nothing where none is about it. The folders above it
   * must be none that these patterns ignore: see {@link takingBack}.
   */
  match(path: string, isFolder: boolean): IgnorePattern | "taken back" | undefined {
    if (this.answers++ === mostAnswersKept) {
      this.matcher = matcherOf([this.matcher]);
      this.answers = 1;
    }
    const { rule, unignored } = this.matcher.test(isFolder ? `${path}/` : path);
    if (rule === undefined) return unignored ? "taken back" : undefined;
    return { text: Buffer.from(withoutBlanks(rule.pattern), "latin1").toString("utf8"), line: Number(rule.mark) };
  }

  /** The same for what is in a folder that these patterns may ignore, but another file's take back. */
  takingBack(folder: string): IgnorePatterns {
    const pattern = `!/${folder.replace(/[\\*?[ ]/g, "\\$&")}/`;
    return new IgnorePatterns(matcherOf([this.matcher, { pattern }]));
  }
}

/** Never throws for a path. Patterns taken over from another matcher stay as they are about case. */
function matcherOf(patterns: readonly Pattern[], ignoreCase = false): Ignore {
  return ignore({ ignoreCase, allowRelativePaths: true }).add(patterns);
}

/** A line as git reads it: without its end, and without the spaces there that no backslash keeps. */
function withoutBlanks(line: string): string {
  return /^(?:\\.?|[^\\ ]+| +(?=[^ ]))*/s.exec(line.replace(/\r$/, ""))?.[0] ?? line;
}
