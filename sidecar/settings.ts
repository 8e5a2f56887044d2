// Turns whatever a client sends as configuration into valid Settings, member by member.
import * as v from "valibot";
import { withHome } from "./host/locations";
import { defaultSettings, type InitializationOptions, type Settings, settingBounds } from "./protocol";

const bounded = (bounds: { readonly minimum: number; readonly maximum: number }) =>
  v.pipe(v.number(), v.integer(), v.minValue(bounds.minimum), v.maxValue(bounds.maximum));

/** Characters of one list of patterns, far beyond any in use: these lists are gone through while somebody types. */
const maxPatternCharacters = 100_000;
const patterns = v.pipe(
  v.array(v.string()),
  v.check((list) => list.reduce((sum, { length }) => sum + length, 0) <= maxPatternCharacters),
);

const schemas = {
  enable: v.boolean(),
  disabledLanguages: v.array(v.string()),
  disabledFiles: patterns,
  quietIn: v.array(v.picklist(["comments", "strings"])),
  frequency: v.picklist(["more", "balanced", "fewer"]),
  model: v.string(),
  modelPath: v.string(),
  executionProvider: v.picklist(["auto", "cuda", "cpu"]),
  threads: bounded(settingBounds.threads),
  maxTokens: bounded(settingBounds.maxTokens),
  retrieval: v.boolean(),
  maxFragments: bounded(settingBounds.maxFragments),
  fragmentBudget: bounded(settingBounds.fragmentBudget),
  pinnedFiles: patterns,
  bannedFiles: patterns,
  maxFileKilobytes: bounded(settingBounds.maxFileKilobytes),
  exclude: v.array(v.string()),
  pauseOnBattery: v.boolean(),
} satisfies { [Member in keyof Settings]: v.GenericSchema<unknown, Settings[Member]> };

export interface ParsedSettings {
  readonly settings: Settings;
  /** One line for each member that was there and unusable: what was expected, what was found, what holds instead. */
  readonly warnings: readonly string[];
}

/**
 * Reads the `selfracg` section. A member that is absent or null takes its default silently; one that is invalid takes its
 * default with a warning. Members this version does not know are passed over.
 */
export function parseSettings(section: unknown): ParsedSettings {
  const warnings: string[] = [];
  if (section !== undefined && section !== null && !isRecord(section)) {
    warnings.push(`Settings: expected an object under "selfracg", found ${describe(section)}; the defaults hold.`);
  }
  const given = isRecord(section) ? section : {};
  const member = <Name extends keyof Settings>(
    name: Name,
    schema: v.GenericSchema<unknown, Settings[Name]>,
  ): Settings[Name] => {
    const value = given[name];
    const fallback = defaultSettings[name];
    if (value === undefined || value === null) return fallback;
    const result = v.safeParse(schema, value);
    if (result.success) return result.output;
    warnings.push(
      `Setting selfracg.${name}: expected ${expectation(name)}, found ${describe(value)}; ${JSON.stringify(fallback)} is used instead.`,
    );
    return fallback;
  };
  const settings: Settings = {
    enable: member("enable", schemas.enable),
    disabledLanguages: member("disabledLanguages", schemas.disabledLanguages),
    disabledFiles: member("disabledFiles", schemas.disabledFiles),
    quietIn: member("quietIn", schemas.quietIn),
    frequency: member("frequency", schemas.frequency),
    model: member("model", schemas.model),
    modelPath: member("modelPath", schemas.modelPath),
    executionProvider: member("executionProvider", schemas.executionProvider),
    threads: member("threads", schemas.threads),
    maxTokens: member("maxTokens", schemas.maxTokens),
    retrieval: member("retrieval", schemas.retrieval),
    maxFragments: member("maxFragments", schemas.maxFragments),
    fragmentBudget: member("fragmentBudget", schemas.fragmentBudget),
    pinnedFiles: member("pinnedFiles", schemas.pinnedFiles),
    bannedFiles: member("bannedFiles", schemas.bannedFiles),
    maxFileKilobytes: member("maxFileKilobytes", schemas.maxFileKilobytes),
    exclude: member("exclude", schemas.exclude),
    pauseOnBattery: member("pauseOnBattery", schemas.pauseOnBattery),
  };
  return { settings, warnings };
}

/** Reads `initializationOptions`; unusable members are left out with a warning. */
export function parseInitializationOptions(value: unknown): { options: InitializationOptions; warnings: string[] } {
  const warnings: string[] = [];
  const options: InitializationOptions = {};
  if (value === undefined || value === null) return { options, warnings };
  if (!isRecord(value)) {
    warnings.push(`initializationOptions: expected an object, found ${describe(value)}; the defaults hold.`);
    return { options, warnings };
  }
  const path = (name: "model" | "modelPath" | "storagePath"): void => {
    const given = value[name];
    if (typeof given === "string" && given !== "") options[name] = withHome(given);
    else if (given !== undefined && given !== null && given !== "") {
      warnings.push(
        `initializationOptions.${name}: expected ${name === "model" ? "a model's name or " : ""}a folder's path, found ${describe(given)}; the default holds.`,
      );
    }
  };
  path("model");
  path("modelPath");
  path("storagePath");
  const provider = v.safeParse(schemas.executionProvider, value.executionProvider);
  if (provider.success) options.executionProvider = provider.output;
  else if (value.executionProvider !== undefined && value.executionProvider !== null) {
    warnings.push(
      `initializationOptions.executionProvider: expected ${expectation("executionProvider")}, found ${describe(value.executionProvider)}; the default holds.`,
    );
  }
  return { options, warnings };
}

function expectation(name: keyof Settings): string {
  switch (name) {
    case "enable":
    case "retrieval":
    case "pauseOnBattery":
      return "true or false";
    case "disabledLanguages":
      return "a list of language identifiers";
    case "quietIn":
      return 'a list of "comments" and "strings"';
    case "frequency":
      return '"more", "balanced" or "fewer"';
    case "exclude":
      return "a list of patterns";
    case "disabledFiles":
    case "pinnedFiles":
    case "bannedFiles":
      return `a list of patterns, of ${maxPatternCharacters} characters at most together`;
    case "model":
      return "a model's name or a folder's path";
    case "modelPath":
      return "a folder's path";
    case "executionProvider":
      return '"auto", "cuda" or "cpu"';
    default:
      return `a whole number from ${settingBounds[name].minimum} to ${settingBounds[name].maximum}`;
  }
}

function describe(value: unknown): string {
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
