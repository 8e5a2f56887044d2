// Why something in the workspace is not indexed: the reason that is counted, and the very rule in words.

/** Counted, and shown to the user. */
export type SkipReason =
  | "ignored"
  | "excluded"
  | "symbolic link"
  | "not a regular file"
  | "binary"
  | "too large"
  | "minified"
  | "generated"
  | "vendored"
  | "data"
  | "secret"
  | "not UTF-8"
  | "empty"
  | "unreadable"
  | "deleted meanwhile"
  | "index full"; // prettier-ignore

/** A line of an ignore file, or an entry of a setting. */
export interface IgnoreRule {
  /** The ignore file's path, or the setting's name. */
  readonly source: string;
  /** 1-based; only of ignore files. */
  readonly line?: number;
  /** As written. */
  readonly pattern: string;
}

export interface Omission {
  readonly skip: SkipReason;
  /** The rule, and what it found, for people: a clause with no full stop. Never holds the secret that it speaks of. */
  readonly because: string;
  /** Set where somebody wrote the rule. */
  readonly rule?: IgnoreRule;
}
