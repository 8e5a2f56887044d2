// Why something in the workspace is not indexed: the reason that is counted, and the very rule in words.
import type { IgnoreRule } from "../../protocol";

/** Counted, and shown to the user. */
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
  /** The rule, and what it found, for people: a clause with no full stop. Never holds the secret that it speaks of. */
  readonly detail: string;
  /** Set where somebody wrote the rule. */
  readonly rule?: Readonly<IgnoreRule>;
}

/** A path or pattern for one line of text: in quotes and escaped where it holds what would not show in a line. */
export function printable(text: string): string {
  return /^\s|\s$|[\p{Cc}\p{Zl}\p{Zp}]/u.test(text) ? JSON.stringify(text) : text;
}
