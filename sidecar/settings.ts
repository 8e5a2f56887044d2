// The settings: one schema that the parser, package.json, docs/settings.md and the completion cache's key are made from.
import * as v from "valibot";

/** Titles in VS Code's settings, in their order. */
export const settingGroups = ["Suggestions", "Retrieval", "Index", "Model"] as const;

/** What is stated of a setting beside its type. */
type Details = {
  readonly group: (typeof settingGroups)[number];
  /** VS Code's scope; default: `window`. */
  readonly scope?: "machine" | "machine-overridable";
  /** For people, in Markdown; may hold VS Code's links to commands and settings. */
  readonly description: string;
  /** Whether it can change what is suggested at a cursor: then the completion cache's key holds it. */
  readonly changesSuggestion?: true;
  /** Whether the sidecar reads it at its start only. */
  readonly readAtStart?: true;
};

export type SettingInfo = Details & {
  readonly type: "boolean" | "integer" | "string" | "array";
  /** What a usable value is, in words. */
  readonly expected: string;
  /** Inclusive. */
  readonly minimum?: number;
  readonly maximum?: number;
  /** The values there are; of an array, its members. */
  readonly values?: readonly string[];
  readonly valueDescriptions?: readonly string[];
  /** Of an array: whether a member may stand in it once only. */
  readonly unique?: true;
};

function flag(fallback: boolean, details: Details) {
  const info: SettingInfo = { ...details, type: "boolean", expected: "true or false" };
  return v.optional(v.pipe(v.boolean(), v.metadata(info)), fallback);
}

function integer(fallback: number, minimum: number, maximum: number, details: Details) {
  const expected = `a whole number from ${minimum} to ${maximum}`;
  const info: SettingInfo = { ...details, type: "integer", expected, minimum, maximum };
  return v.optional(
    v.pipe(v.number(), v.integer(), v.minValue(minimum), v.maxValue(maximum), v.metadata(info)),
    fallback,
  );
}

function text(expected: string, details: Details) {
  const info: SettingInfo = { ...details, type: "string", expected };
  return v.optional(v.pipe(v.string(), v.metadata(info)), "");
}

function choice<const Value extends string>(
  values: readonly Value[],
  fallback: NoInfer<Value>,
  details: Details & { readonly valueDescriptions: readonly string[] },
) {
  const info: SettingInfo = { ...details, type: "string", expected: anyOf(values), values };
  return v.optional(v.pipe(v.picklist(values), v.metadata(info)), () => fallback);
}

function list(expected: string, details: Details & { readonly unique?: true }) {
  const info: SettingInfo = { ...details, type: "array", expected: `a list of ${expected}` };
  return v.optional(v.pipe(v.array(v.string()), v.metadata(info)), () => []);
}

function listOf<const Value extends string>(values: readonly Value[], details: Details) {
  const expected = `a list of ${values.map((value) => JSON.stringify(value)).join(" and ")}`;
  const info: SettingInfo = { ...details, type: "array", expected, values, unique: true };
  return v.optional(v.pipe(v.array(v.picklist(values)), v.metadata(info)), () => []);
}

/** Characters of one list of patterns, far beyond any in use: these lists are gone through while somebody types. */
const maxPatternCharacters = 100_000;

function patterns(details: Details) {
  const expected = `a list of patterns, of ${maxPatternCharacters} characters at most together`;
  const info: SettingInfo = { ...details, type: "array", expected };
  const isShort = v.check(
    (given: string[]) => given.reduce((sum, { length }) => sum + length, 0) <= maxPatternCharacters,
  );
  return v.optional(v.pipe(v.array(v.string()), isShort, v.metadata(info)), () => []);
}

const gitignore = "patterns in the syntax of `.gitignore`, from each workspace folder";
const ofOneFolder = "or from one with `./` and its name before them (`./library/src/a.py`)";

export const settingsSchema = v.object({
  enable: flag(true, {
    group: "Suggestions",
    description:
      "Make suggestions. The command **SelfRACG: Turn Suggestions On or Off** switches this; [snooze](command:selfracg.snooze) them to have them back by themselves.",
  }),
  disabledLanguages: list("language identifiers", {
    group: "Suggestions",
    unique: true,
    description:
      "Language identifiers, such as `markdown` or `plaintext`, for which no suggestion is made. The command **SelfRACG: Turn On or Off for This Language** writes here.",
  }),
  disabledFiles: patterns({
    group: "Suggestions",
    description: `Files in which no suggestion is made: ${gitignore}.`,
  }),
  quietIn: listOf(["comments", "strings"], {
    group: "Suggestions",
    changesSuggestion: true,
    description: "Places in code in which no suggestion is made.",
  }),
  frequency: choice(["more", "balanced", "fewer"], "balanced", {
    group: "Suggestions",
    changesSuggestion: true,
    valueDescriptions: [
      "Show nearly everything.",
      "Hold back what is likely wrong.",
      "Show only what the model is sure of.",
    ],
    description: "How sure the model must be of a suggestion for it to be shown.",
  }),
  maxTokens: integer(48, 1, 256, {
    group: "Suggestions",
    changesSuggestion: true,
    description: "Maximum number of tokens generated for one suggestion.",
  }),
  retrieval: flag(true, {
    group: "Retrieval",
    changesSuggestion: true,
    description: "Retrieve fragments of the workspace into the prompt. Off: the model sees the open file alone.",
  }),
  maxFragments: integer(4, 0, 16, {
    group: "Retrieval",
    changesSuggestion: true,
    description: "Maximum number of fragments of the workspace in one prompt.",
  }),
  fragmentBudget: integer(448, 0, 8192, {
    group: "Retrieval",
    changesSuggestion: true,
    description: "Maximum number of tokens that fragments take in one prompt.",
  }),
  pinnedFiles: patterns({
    group: "Retrieval",
    changesSuggestion: true,
    description: `Files whose fragments go before all others that the model needs: ${gitignore}, ${ofOneFolder}. The inspector's **Pin** writes here.`,
  }),
  bannedFiles: patterns({
    group: "Retrieval",
    changesSuggestion: true,
    description: `Files whose fragments are never put in a prompt: ${gitignore}, ${ofOneFolder}. The inspector's **Ban** writes here.`,
  }),
  exclude: list("patterns", {
    group: "Index",
    description: `What is not indexed in addition to what is excluded anyway (ignore files, \`#files.exclude#\`, secrets, binary and generated files): ${gitignore}.`,
  }),
  maxFileKilobytes: integer(512, 1, 10240, {
    group: "Index",
    description: "Files larger than this many kilobytes are not indexed.",
  }),
  pauseOnBattery: flag(false, {
    group: "Index",
    scope: "machine-overridable",
    description:
      "Index nothing while the machine runs on its battery. What is indexed stays searchable. Known on Linux; elsewhere the log says that it is not.",
  }),
  model: text("a model's name or a folder's path", {
    group: "Model",
    scope: "machine",
    readAtStart: true,
    description:
      "Name of a model, or folder of a model package (`model.json` and the files that it lists). Empty: the model chosen on the command line with `model use`, or the small one that ships. [Choose one](command:selfracg.chooseModel).",
  }),
  modelPath: text("a folder's path", {
    group: "Model",
    scope: "machine-overridable",
    readAtStart: true,
    description:
      "Folder of a model package, where `#selfracg.model#` is empty: the older setting. Only a trusted workspace may set this.",
  }),
  executionProvider: choice(["auto", "cuda", "cpu"], "auto", {
    group: "Model",
    scope: "machine-overridable",
    readAtStart: true,
    valueDescriptions: [
      "CUDA where it is found and works, the CPU otherwise.",
      "An NVIDIA GPU through CUDA; the CPU with a stated reason where it cannot be used.",
      "The CPU.",
    ],
    description: "What the model runs on. The status bar's tooltip says what was chosen and why.",
  }),
  threads: integer(0, 0, 64, {
    group: "Model",
    scope: "machine-overridable",
    readAtStart: true,
    description: "CPU threads for the model. 0: chosen from the number of cores.",
  }),
});

/** The configuration section `selfracg`. */
export type Settings = v.InferOutput<typeof settingsSchema>;
export type ExecutionProviderSetting = Settings["executionProvider"];

export const defaultSettings: Settings = v.parse(settingsSchema, {});

/** What is known of each setting, by its name, in the schema's order. */
export const settingInfos: ReadonlyMap<string, SettingInfo> = new Map(
  Object.entries(settingsSchema.entries).map(([name, { wrapped }]) => [name, v.getMetadata(wrapped)]),
);

/** Inclusive. @throws Error for a setting without bounds */
export function boundsOf(name: keyof Settings): { readonly minimum: number; readonly maximum: number } {
  const { minimum, maximum } = settingInfos.get(name) ?? {};
  if (minimum === undefined || maximum === undefined)
    throw new Error(`Expected a setting with bounds, found ${name}. State its minimum and maximum in the schema.`);
  return { minimum, maximum };
}

const changingSuggestions: ReadonlySet<string> = new Set(
  [...settingInfos].filter(([, info]) => info.changesSuggestion === true).map(([name]) => name),
);

/** The values of those settings that can change what is suggested at a cursor, as one text. */
export function suggestionSettings(settings: Settings): string {
  return JSON.stringify(Object.entries(settings).filter(([name]) => changingSuggestions.has(name)));
}

/** "a", "b" or "c" */
function anyOf(values: readonly string[]): string {
  const quoted = values.map((value) => JSON.stringify(value));
  return `${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)}`;
}
