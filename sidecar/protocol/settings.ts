// The settings that the sidecar reads, with their defaults and bounds.

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
