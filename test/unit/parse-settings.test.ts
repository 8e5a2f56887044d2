// Settings are checked one by one, so that an invalid one does not affect the others.
import { homedir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseInitializationOptions, parseSettings } from "../../sidecar/parse-settings";
import { boundsOf, defaultSettings } from "../../sidecar/settings";

describe("parseSettings", () => {
  it.each([undefined, null, {}])("uses the defaults without a warning for %j", (section) => {
    expect(parseSettings(section)).toEqual({ settings: defaultSettings, warnings: [] });
  });

  it("uses given values, and defaults for the rest", () => {
    const { settings, warnings } = parseSettings({
      enable: false,
      disabledLanguages: ["markdown"],
      exclude: ["*.md"],
      maxTokens: 7,
      unknown: 1,
    });
    expect(settings).toEqual({
      ...defaultSettings,
      enable: false,
      disabledLanguages: ["markdown"],
      exclude: ["*.md"],
      maxTokens: 7,
    });
    expect(warnings).toEqual([]);
  });

  it("warns once for each invalid member and uses the valid ones", () => {
    const { settings, warnings } = parseSettings({
      enable: "yes",
      threads: 3,
      maxTokens: 1e9,
      executionProvider: "tpu",
      disabledLanguages: [1],
      exclude: "*.md",
    });
    expect(settings).toEqual({ ...defaultSettings, threads: 3 });
    expect(warnings).toHaveLength(5);
    expect(warnings.join("\n")).toContain(
      'selfracg.exclude: expected a list of patterns, found "*.md"; [] is used instead',
    );
    expect(warnings.join("\n")).toContain('selfracg.enable: expected true or false, found "yes"; true is used instead');
    expect(warnings.join("\n")).toContain(
      "selfracg.maxTokens: expected a whole number from 1 to 256, found 1000000000",
    );
    expect(warnings.join("\n")).toContain('selfracg.executionProvider: expected "auto", "cuda" or "cpu", found "tpu"');
  });

  it.each(["threads", "maxTokens", "maxFragments", "fragmentBudget", "maxFileKilobytes"] as const)(
    "accepts %s up to its bounds only",
    (name) => {
      const { minimum, maximum } = boundsOf(name);
      for (const value of [minimum, maximum])
        expect(parseSettings({ [name]: value })).toEqual({
          settings: { ...defaultSettings, [name]: value },
          warnings: [],
        });
      for (const value of [minimum - 1, maximum + 1, minimum + 0.5, Number.NaN]) {
        const { settings, warnings } = parseSettings({ [name]: value });
        expect(settings).toEqual(defaultSettings);
        expect(warnings).toHaveLength(1);
      }
    },
  );

  it.each(["disabledFiles", "pinnedFiles", "bannedFiles"])("accepts %s of up to 100,000 characters", (name) => {
    const largest = { [name]: ["a".repeat(60_000), "b".repeat(40_000)] };
    expect(parseSettings(largest)).toEqual({ settings: { ...defaultSettings, ...largest }, warnings: [] });
    const { settings, warnings } = parseSettings({ [name]: ["a".repeat(60_000), "b".repeat(40_001)] });
    expect(settings).toEqual(defaultSettings);
    expect(warnings).toEqual([
      expect.stringMatching(/a list of patterns, of 100000 characters at most together, found/),
    ]);
  });

  it.each(["text", 5, [], true])("warns about a section that is %j", (section) => {
    const { settings, warnings } = parseSettings(section);
    expect(settings).toEqual(defaultSettings);
    expect(warnings).toHaveLength(1);
  });
});

describe("parseInitializationOptions", () => {
  it("reads the known options", () => {
    const given = { modelPath: "/m", storagePath: "/s", executionProvider: "cpu", more: 1 };
    expect(parseInitializationOptions(given)).toEqual({
      options: { modelPath: "/m", storagePath: "/s", executionProvider: "cpu" },
      warnings: [],
    });
  });

  it("replaces a tilde by the home folder", () => {
    const { options } = parseInitializationOptions({ modelPath: "~/m", storagePath: "~/s" });
    expect(options).toEqual({ modelPath: join(homedir(), "m"), storagePath: join(homedir(), "s") });
  });

  it("ignores empty paths", () => {
    expect(parseInitializationOptions({ modelPath: "", storagePath: null })).toEqual({ options: {}, warnings: [] });
  });

  it("refuses a relative storage path, which would be relative to nothing", () => {
    expect(parseInitializationOptions({ storagePath: "index" })).toEqual({
      options: {},
      warnings: [
        'initializationOptions.storagePath: expected a folder\'s absolute path, found "index"; the default is used.',
      ],
    });
  });

  it("warns about invalid options", () => {
    const { options, warnings } = parseInitializationOptions({ modelPath: 3, executionProvider: "gpu" });
    expect(options).toEqual({});
    expect(warnings).toHaveLength(2);
    expect(parseInitializationOptions("x").warnings).toHaveLength(1);
  });
});
