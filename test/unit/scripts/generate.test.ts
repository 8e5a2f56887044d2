// Generated files are up to date, and the settings page is complete.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { generated } from "../../../scripts/generate/main.mjs";
import { configuration, loadSettings, settingsTables } from "../../../scripts/generate/settings.mjs";
import { boundsOf, defaultSettings, suggestionSettings } from "../../../sidecar/settings";

const root = join(import.meta.dirname, "../../..");
const settings = await loadSettings();

it.each(Object.entries(await generated()))("%s is up to date", (path, content) => {
  expect(readFileSync(join(root, path), "utf8"), "Run `npm run generate`.").toBe(content);
});

describe("package.json's configuration", () => {
  const properties = Object.assign({}, ...configuration(settings).map((group) => group.properties));

  it("declares each setting once, with its default", () => {
    const defaults = Object.entries(properties).map(([name, { default: value }]: [string, any]) => [name, value]);
    const expected = Object.entries(defaultSettings).map(([name, value]) => [`selfracg.${name}`, value]);
    expect(defaults).toEqual(expected);
  });

  it("has bounds, values with descriptions, and a note when a change restarts the sidecar", () => {
    expect(properties["selfracg.threads"]).toMatchObject({
      type: "integer",
      ...boundsOf("threads"),
      markdownDescription: expect.stringMatching(/A change restarts the sidecar\.$/),
    });
    for (const { enum: values, enumDescriptions } of Object.values<any>(properties))
      expect(enumDescriptions?.length).toBe(values?.length);
    expect(properties["selfracg.quietIn"].items.enum).toEqual(["comments", "strings"]);
  });
});

it("the settings tables have a row of four cells per setting, without VS Code's links", () => {
  const rows = settingsTables(settings)
    .split("\n")
    .filter((line) => line.startsWith("| `"));
  expect(rows).toHaveLength(Object.keys(defaultSettings).length);
  for (const row of rows) {
    expect(row.split("|"), row).toHaveLength(6);
    expect(row).not.toMatch(/command:|#/);
  }
});

describe("the cache key of a suggestion's settings", () => {
  it("differs when one of the settings has another value", () => {
    for (const change of [{ maxTokens: 7 }, { bannedFiles: ["a"] }, { frequency: "more" as const }])
      expect(suggestionSettings({ ...defaultSettings, ...change })).not.toBe(suggestionSettings(defaultSettings));
  });

  it("does not depend on settings of when to suggest and what to index", () => {
    const others = { enable: false, disabledLanguages: ["go"], exclude: ["*"], threads: 3 };
    expect(suggestionSettings({ ...defaultSettings, ...others })).toBe(suggestionSettings(defaultSettings));
  });
});

it("asking for the bounds of a setting without bounds is an error that names the setting", () => {
  expect(() => boundsOf("enable")).toThrow(/Expected a setting with bounds, found enable/);
});
