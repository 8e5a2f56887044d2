// Reads settings and initialization options from whatever a client sends, member by member.
import { isAbsolute } from "node:path";
import * as v from "valibot";
import { withHome } from "./host/locations";
import type { InitializationOptions } from "./protocol/initialization";
import { type Settings, settingInfos, settingsSchema } from "./settings";

interface ParsedSettings {
  readonly settings: Settings;
  /** One line for each member that was there and unusable: what was expected, what was found, what is used instead. */
  readonly warnings: readonly string[];
}

/**
 * Reads the `selfracg` section. A member that is absent or null takes its default silently; one that is invalid takes its
 * default with a warning. Members that this version does not know are ignored.
 */
export function parseSettings(section: unknown): ParsedSettings {
  const warnings: string[] = [];
  if (section !== undefined && section !== null && !isRecord(section)) {
    warnings.push(`Settings: expected an object under "selfracg", found ${describe(section)}; the defaults are used.`);
  }
  const given = isRecord(section) ? section : {};
  const valid: Record<string, unknown> = {};
  for (const [name, schema] of Object.entries(settingsSchema.entries)) {
    const value = given[name];
    if (value === undefined || value === null) continue;
    if (v.is(schema, value)) valid[name] = value;
    else {
      const fallback = JSON.stringify(v.getDefault(schema));
      const expected = settingInfos.get(name)?.expected;
      warnings.push(
        `Setting selfracg.${name}: expected ${expected}, found ${describe(value)}; ${fallback} is used instead.`,
      );
    }
  }
  return { settings: v.parse(settingsSchema, valid), warnings };
}

/** Reads `initializationOptions`; unusable members are left out with a warning. */
export function parseInitializationOptions(value: unknown): { options: InitializationOptions; warnings: string[] } {
  const warnings: string[] = [];
  const options: InitializationOptions = {};
  if (value === undefined || value === null) return { options, warnings };
  if (!isRecord(value)) {
    warnings.push(`initializationOptions: expected an object, found ${describe(value)}; the defaults are used.`);
    return { options, warnings };
  }
  const warn = (name: string, expected: string): void => {
    warnings.push(
      `initializationOptions.${name}: expected ${expected}, found ${describe(value[name])}; the default is used.`,
    );
  };
  for (const name of ["model", "modelPath", "storagePath"] as const) {
    const given = value[name];
    const isText = typeof given === "string" && given !== "";
    // The server has no working folder that paths could be relative to. The others may be names of models.
    if (isText && (name !== "storagePath" || isAbsolute(withHome(given)))) options[name] = withHome(given);
    else if (given !== undefined && given !== null && given !== "")
      warn(name, settingInfos.get(name)?.expected ?? "a folder's absolute path");
  }
  const provider = v.safeParse(settingsSchema.entries.executionProvider.wrapped, value.executionProvider);
  if (provider.success) options.executionProvider = provider.output;
  else if (value.executionProvider !== undefined && value.executionProvider !== null)
    warn("executionProvider", settingInfos.get("executionProvider")?.expected ?? "a provider");
  return { options, warnings };
}

function describe(value: unknown): string {
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
