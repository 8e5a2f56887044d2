// What the sidecar says of itself: its state, the index, and why a path is indexed or not.

/** Both look at every vector and find the same. */
export type VectorIndexName = "faiss" | "flat";

export type PauseReason = "asked" | "battery";

export type SidecarState = "starting" | "indexing" | "ready" | "snoozed" | "off" | "error";

export interface SidecarStatus {
  state: SidecarState;
  /** One line for people: what is going on, or what went wrong and what to do. */
  message: string;
  /** Files done and to do while indexing; an estimate once enough is done to tell. */
  progress?: { done: number; total: number; secondsLeft?: number };
  /** Set while indexing is paused: by command, or since the machine runs on its battery. */
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
  /** Fragments embedded since the sidecar started (the rest came from the store). */
  embedded: number;
  /** Files left out, by reason. */
  skipped: Record<string, number>;
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
 * `indexed`; `waiting`: it belongs to the index and is not in it yet; `left-out`: a rule leaves it out; `folder`: one whose
 * files are looked at; `outside`: in no workspace folder; `missing`: there is nothing at the path.
 */
export type ExplainedState = "indexed" | "waiting" | "left-out" | "folder" | "outside" | "missing";

/** Whether a path is indexed, and why. */
export interface Explanation {
  /** From its workspace folder, with `/`; absolute where it lies in none. */
  path: string;
  state: ExplainedState;
  /** For people: one line that names the very rule. */
  message: string;
  /** Set where a rule leaves it out: the reason it counts under in {@link IndexCounts.skipped}. */
  reason?: string;
  /** Set where a rule leaves it out: the path itself, or the folder above it that the rule is about. */
  at?: string;
  /** Set where somebody wrote the rule. */
  rule?: IgnoreRule;
  fragments: FragmentPlace[];
}
