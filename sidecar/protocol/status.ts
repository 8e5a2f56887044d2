// The status of the sidecar and of its index, and why a path is indexed or not.

/** Both are exact and return the same. */
export type VectorIndexName = "faiss" | "flat";

export type PauseReason = "asked" | "battery";

export type SidecarState = "starting" | "indexing" | "ready" | "snoozed" | "off" | "error";

export interface SidecarStatus {
  state: SidecarState;
  /** One line for people: the present work, or what went wrong and what to do. */
  message: string;
  /** Files done and in all while indexing, with an estimate of the time left once there is one. */
  progress?: { done: number; total: number; secondsLeft?: number };
  /** Set while indexing is paused: by a command, or because the machine runs on its battery. */
  paused?: PauseReason;
  /** Set while snoozed: until when, in milliseconds since 1970. */
  snoozedUntil?: number;
  /** Known once the model is loaded. */
  model?: { name: string; version: string };
  /** The provider in use and why it was chosen. */
  provider?: { name: "cuda" | "cpu"; reason: string };
  /** Which vector index answers and why. */
  vectorIndex?: { name: VectorIndexName; reason: string };
  index?: IndexCounts;
}

export interface IndexCounts {
  files: number;
  fragments: number;
  /** Fragments embedded since the sidecar started; the others came from the store. */
  embedded: number;
  /** Number of excluded files, by reason. */
  excluded: Record<string, number>;
  /** Size of the store on disk, bytes. */
  storeBytes: number;
}

/** A line of an ignore file, or an entry of a setting. */
export interface IgnoreRule {
  /** The ignore file's path, or the setting's name. */
  source: string;
  /** 1-based; only of ignore files. */
  line?: number;
  /** As written. */
  pattern: string;
}

/** Lines of a file that are one fragment. 1-based and inclusive. */
export interface FragmentPlace {
  startLine: number;
  endLine: number;
  /** As of a {@link FragmentReference}. */
  scope?: readonly string[];
}

/**
 * `indexed`; `waiting`: to be indexed; `left-out`: excluded by a rule; `folder`: a folder that is searched for files; `outside`: in no
 * workspace folder; `missing`: there is nothing at the path.
 */
export type ExplainedState = "indexed" | "waiting" | "left-out" | "folder" | "outside" | "missing";

/** Whether a path is indexed, and why. */
export interface Explanation {
  /** Relative to its workspace folder, with `/`; absolute where it is in none. */
  path: string;
  state: ExplainedState;
  /** One line for people that names the rule. */
  message: string;
  /** Set where a rule excludes it: the reason it counts under in {@link IndexCounts.excluded}. */
  reason?: string;
  /** Set where a rule excludes it: the path itself, or the folder above it that the rule matches. */
  at?: string;
  /** Set where somebody wrote the rule. */
  rule?: IgnoreRule;
  fragments: FragmentPlace[];
}
