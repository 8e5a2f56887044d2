// Every custom request, notification, command and setting that the sidecar and its clients share.

/** Configuration section read through `workspace/configuration`. */
export const configurationSection = "selfracg";

/** The editor's own setting of what it does not show, read for each workspace folder: what it hides is not indexed either. */
export const filesExcludeSection = "files.exclude";

/**
 * Environment variables that a client should start the sidecar with: glibc's memory allocator otherwise keeps freed
 * memory apart for each thread, a tenth of the sidecar's with a large index. Other allocators take no notice.
 */
export const sidecarEnvironment = { MALLOC_ARENA_MAX: "2" } as const;

/** Names of the custom messages. Everything else is LSP 3.18 as it stands. */
export const messages = {
  /** Notification, server to client: {@link SidecarStatus}, sent at every change. */
  status: "selfracg/status",
  /** Request, client to server, no parameters: the present {@link SidecarStatus}. */
  getStatus: "selfracg/getStatus",
  /** Request, client to server, {@link TraceParams} or none: one {@link CompletionTrace}, by default the last, or null. */
  trace: "selfracg/trace",
  /** Request, client to server, no parameters: the last {@link CompletionTrace}s, newest first, 50 at most. */
  traces: "selfracg/traces",
  /** Request, client to server, {@link TraceParams}: the prompt of that completion, an {@link InspectedPrompt}, or null when it is no longer held. */
  prompt: "selfracg/prompt",
  /** Request, client to server, {@link TraceParams}: {@link NeedWeights}, or null when the completion is no longer held. */
  need: "selfracg/need",
  /** Request, client to server, {@link TraceParams}: the same cursor completed without fragments, a {@link Comparison}, or null as above. */
  compare: "selfracg/compare",
  /** Request, client to server, {@link SearchParams}: {@link SearchResult}. */
  search: "selfracg/search",
  /** Request, client to server, {@link AvailabilityParams}: whether suggestions are made in a document, {@link Availability}. */
  availability: "selfracg/availability",
  /** Request, client to server, no parameters: {@link SuggestionCounts}. */
  counts: "selfracg/counts",
  /** Notification, client to server: {@link AcceptedParams}. */
  accepted: "selfracg/accepted",
} as const;

/** Commands of `workspace/executeCommand`. */
export const serverCommands = {
  /** Re-reads every workspace folder; resolves to {@link IndexCounts} when done, or null when cancelled. */
  reindex: "selfracg.server.reindex",
  /** With a file's or folder's URI as its argument: whether it is indexed, and by which rule not; an {@link Explanation}. */
  why: "selfracg.server.why",
  /** Deletes the index, on disk too, and begins to make it anew; resolves to {@link IndexCounts} when it is deleted. */
  clearIndex: "selfracg.server.clearIndex",
  /** Stops indexing until it is resumed; what is indexed stays searchable. Resolves to {@link IndexCounts}. */
  pauseIndexing: "selfracg.server.pauseIndexing",
  /** Takes up what was missed; resolves to {@link IndexCounts} at once. */
  resumeIndexing: "selfracg.server.resumeIndexing",
  /** With a number of minutes as its argument: no suggestions for so long; 0 ends it. Resolves to {@link SidecarStatus}. */
  snooze: "selfracg.server.snooze",
  /** Deletes the counts of suggestions, on disk too; resolves to the {@link SuggestionCounts} that begin anew. */
  clearCounts: "selfracg.server.clearCounts",
} as const;

export type ExecutionProviderSetting = "auto" | "cuda" | "cpu";

/** How sure the model must be of what is shown. */
export type Frequency = "more" | "balanced" | "fewer";

/** Places in code where no suggestion may be wanted. */
export type QuietPlace = "comments" | "strings";

/** `initializationOptions` of the `initialize` request. Every member may be left out. */
export interface InitializationOptions {
  /** As {@link Settings.model}. */
  model?: string;
  /** As {@link Settings.modelPath}. */
  modelPath?: string;
  /** Folder for the on-disk index; default: a folder in the user's cache directory. */
  storagePath?: string;
  executionProvider?: ExecutionProviderSetting;
}

/** The `selfracg` configuration section. The server validates it and falls back to {@link defaultSettings} member by member. */
export interface Settings {
  /** Master switch. */
  enable: boolean;
  /** Language identifiers for which no suggestion is made. */
  disabledLanguages: string[];
  /** Patterns, in the syntax of ignore files and from each workspace folder, of files in which no suggestion is made. */
  disabledFiles: string[];
  /** Places in code in which no suggestion is made. */
  quietIn: QuietPlace[];
  /** How sure the model must be of a suggestion for it to be shown. */
  frequency: Frequency;
  /** Name of a model, or folder of a model package; empty: the one chosen on the command line, or the one that ships. Read at start. */
  model: string;
  /** Folder of a model package, where {@link Settings.model} is empty. Read at start. */
  modelPath: string;
  /** Read at start. */
  executionProvider: ExecutionProviderSetting;
  /** ONNX Runtime intra-op threads; 0: chosen from the cores there are. Read at start. */
  threads: number;
  /** Most tokens generated for one suggestion. */
  maxTokens: number;
  /** Whether fragments are retrieved at all. */
  retrieval: boolean;
  /** Most fragments in one prompt. */
  maxFragments: number;
  /** Most tokens of fragments in one prompt. */
  fragmentBudget: number;
  /**
   * Patterns, as of {@link Settings.disabledFiles}, of files whose fragments are taken before all others that are needed. One
   * that begins with `./` and the name of a workspace folder is from that folder alone.
   */
  pinnedFiles: string[];
  /** Patterns, as of {@link Settings.pinnedFiles}, of files whose fragments are never taken. */
  bannedFiles: string[];
  /** Files larger than this many kilobytes are not indexed. */
  maxFileKilobytes: number;
  /** Patterns, in the syntax of ignore files, of what is not indexed beside what is left out anyway. */
  exclude: string[];
  /** No indexing while the machine runs on its battery, where that is known. */
  pauseOnBattery: boolean;
}

export const defaultSettings: Settings = {
  enable: true,
  disabledLanguages: [],
  disabledFiles: [],
  quietIn: [],
  frequency: "balanced",
  model: "",
  modelPath: "",
  executionProvider: "auto",
  threads: 0,
  maxTokens: 48,
  retrieval: true,
  maxFragments: 4,
  fragmentBudget: 448,
  pinnedFiles: [],
  bannedFiles: [],
  maxFileKilobytes: 512,
  exclude: [],
  pauseOnBattery: false,
};

/** Inclusive bounds of the numeric settings; package.json states the same ones (a test compares them). */
export const settingBounds = {
  threads: { minimum: 0, maximum: 64 },
  maxTokens: { minimum: 1, maximum: 256 },
  maxFragments: { minimum: 0, maximum: 16 },
  fragmentBudget: { minimum: 0, maximum: 8192 },
  maxFileKilobytes: { minimum: 1, maximum: 10240 },
} as const;

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

/** A piece of a file as shown to people. Lines are 1-based and inclusive. */
export interface FragmentReference {
  /** Relative to its workspace folder, with `/`. */
  path: string;
  uri: string;
  startLine: number;
  endLine: number;
  /** Inner product with the need, -1..1. */
  score: number;
  /** Tokens it costs in the prompt. */
  tokens: number;
  /** Signatures of the definitions that it is inside of, outermost first; absent at the top level of its file. */
  scope?: readonly string[];
  /** Set where more than the score gave it its rank: what, in words, and how much was added to the score. */
  raised?: { by: number; reason: string };
}

/** A candidate that did not go into the prompt, and why. */
export interface DroppedFragment extends FragmentReference {
  reason: string;
}

/** Milliseconds. `totalMs` runs from the request's arrival; the parts need not add up to it exactly. */
export interface CompletionTimings {
  totalMs: number;
  /** Waited for the next keystroke before anything was done. */
  waitMs: number;
  expressMs: number;
  searchMs: number;
  selectMs: number;
  prefillMs: number;
  decodeMs: number;
  filterMs: number;
}

/** Fragments of an earlier completion that stayed in the prompt. */
export interface KeptFragments {
  /** {@link CompletionTrace.id} of the completion that fetched them. */
  since: number;
  /** Inner product of the need then and now, -1..1. */
  similarity: number;
  /** In words. */
  reason: string;
}

export interface Confidence {
  /** Mean log-probability of the suggestion's tokens, natural logarithm. */
  meanLogProbability: number;
  /**
   * Calibrated: how likely the suggestion's first line is what the user goes on to write, 0..1; absent where the model
   * package states no calibration, and then nothing is held back for being unsure.
   */
  probability?: number;
  /** Least probability that is shown, by {@link Settings.frequency}; absent as `probability`. */
  threshold?: number;
}

/** Everything the inspector shows about one completion. */
export interface CompletionTrace {
  /** Rises by one with every completion of this sidecar process. */
  id: number;
  uri: string;
  languageId: string;
  /** 0-based line, and character in UTF-16 units, as in LSP. */
  position: { line: number; character: number };
  /** What the editor was given; empty when nothing was suggested. */
  suggestion: string;
  /** Set when nothing was suggested: which filter or rule said so, in words. */
  suppressed?: string;
  /** Why decoding ended. */
  stopReason: StopReason;
  /** How sure the model is of what it wrote; absent where it wrote nothing. */
  confidence?: Confidence;
  /** Set when no fragment is in the prompt: why. */
  nothingRetrieved?: string;
  /** The score below which a fragment is not needed at this cursor; absent where nothing was searched. */
  nullScore?: number;
  /** In prompt order. */
  fragments: FragmentReference[];
  dropped: DroppedFragment[];
  /** Set when the fragments, or that there are none, come from an earlier completion of this document. */
  kept?: KeptFragments;
  /** Set when they were searched for this completion: why, in words. */
  fetched?: string;
  promptTokens: number;
  /** Tokens of the suggestion, cut-off ones and the one that ended it included. The first comes with reading the prompt. */
  generatedTokens: number;
  /** Runs of the model after the prompt was read; fewer than the tokens where drafts from the prompt proved right. */
  decodeSteps: number;
  /** Of the request that made the suggestion, also where {@link CompletionTrace.cached} is set. */
  timings: CompletionTimings;
  provider: "cuda" | "cpu";
  /** Set when the answer came from the completion cache, e.g. because the user typed along the suggestion. */
  cached?: boolean;
}

export type StopReason =
  | "end-of-text"
  | "end-of-statement"
  | "end-of-block"
  | "repetition"
  | "token-limit"
  | "cancelled"
  | "not-started";

export interface AcceptedParams {
  /** {@link CompletionTrace.id} of the suggestion taken. */
  id: number;
}

export interface TraceParams {
  /** {@link CompletionTrace.id}; left out: the last one. */
  id?: number;
}

/** `special` are the model's own marks; `path` and `fragment` belong to a fragment, `prefix` and `suffix` stand around the cursor. */
export type PromptPieceKind = "special" | "path" | "fragment" | "prefix" | "suffix";

/** A run of tokens of a prompt, in prompt order. */
export interface PromptPiece {
  kind: PromptPieceKind;
  text: string;
  tokens: number;
  /** Of a fragment: its place in {@link CompletionTrace.fragments}. */
  fragment?: number;
}

/** A prompt as the model read it. */
export interface InspectedPrompt {
  /** In prompt order; their tokens add up to {@link CompletionTrace.promptTokens}. */
  pieces: PromptPiece[];
  /** Most tokens that the model can read. */
  contextLength: number;
}

/** One token of the code that the need was read from. */
export interface NeedToken {
  text: string;
  /** Where it begins in the document, as in LSP; absent for what is no code of the document, such as marks and the path. */
  position?: { line: number; character: number };
}

/** What the retrieval attention weighed as it expressed the need. */
export interface NeedWeights {
  tokens: NeedToken[];
  /** For each layer a weight for each token, the mean over the heads; a layer's weights add up to 1. */
  layers: number[][];
}

/** One side of a {@link Comparison}. */
export interface ComparedCompletion {
  /** Empty when nothing would be suggested. */
  suggestion: string;
  /** Set when nothing would be suggested: why. */
  suppressed?: string;
  confidence?: Confidence;
}

/** The same cursor with and without the fragments. */
export interface Comparison {
  withFragments: ComparedCompletion;
  withoutFragments: ComparedCompletion;
  /**
   * Log-probability of what was written with the fragments, in the prompt with them less in the prompt without them,
   * natural logarithm, over all its tokens; absent where nothing was written.
   */
  gained?: number;
}

/** Code to search the index for. */
export interface SearchParams {
  /** Code, as if a cursor stood at its end. */
  text: string;
  /** Document that it is as if written in; left out: none. */
  uri?: string;
  /** Most fragments; default 20. */
  limit?: number;
}

export interface SearchResult {
  /** Best first. */
  fragments: FragmentReference[];
  /** The score below which a fragment would not be needed. */
  nullScore: number;
}

export interface AvailabilityParams {
  uri: string;
}

/** Whether suggestions are made in a document. */
export interface Availability {
  available: boolean;
  /** Set where none is made: why, in words. */
  reason?: string;
  /** The setting of the section `selfracg` that says so, if one does. */
  setting?: keyof Settings;
}

/** Counted on this machine alone and for this storage folder alone. */
export interface SuggestionCounts {
  /** When counting began: ISO 8601. */
  since: string;
  /** Suggestions given to the editor, each once however long it was typed along. */
  shown: number;
  /** Taken whole, in one go. */
  accepted: number;
  /** Of which a word or a line was taken, and not the whole. */
  partlyAccepted: number;
  /** Typed to their end, or further than a word, and not taken. */
  typed: number;
  /** Of which nothing was used. */
  rejected: number;
  /** Characters taken, not typed. */
  charactersTaken: number;
}
