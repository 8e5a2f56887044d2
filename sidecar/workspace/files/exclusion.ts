// Why a file or folder is not indexed: a reason for the counts, and the rule in words.
import type { IgnoreRule } from "../../protocol";

/** Shown to the user with the number of files. */
export const exclusionReasons = [
  "ignored",
  "excluded",
  "symbolic link",
  "not a regular file",
  "binary",
  "too large",
  "minified",
  "generated",
  "vendored",
  "data",
  "secret",
  "not UTF-8",
  "empty",
  "unreadable",
  "deleted meanwhile",
  "index full",
] as const;

export type ExclusionReason = (typeof exclusionReasons)[number];

export interface Exclusion {
  readonly reason: ExclusionReason;
  /** The rule and what it found, in words: a clause without a full stop. Never holds the secret that was found. */
  readonly detail: string;
  /** Set when the rule is a line of an ignore file or setting. */
  readonly rule?: Readonly<IgnoreRule>;
}

/** A path or pattern for one line of text: in quotes and escaped when it holds characters that would not be seen. */
export function printable(text: string): string {
  return /^\s|\s$|[\p{Cc}\p{Zl}\p{Zp}]/u.test(text) ? JSON.stringify(text) : text;
}
