// package.json says what the code says: settings, bounds, commands, trust.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { pageCommands } from "../../../extension/inspector/render";
import { configurationSection, defaultSettings, serverCommands, settingBounds } from "../../../sidecar/protocol";

interface Property {
  type: string;
  default: unknown;
  markdownDescription: string;
  scope: string;
  minimum?: number;
  maximum?: number;
  enum?: string[];
}

const root = join(__dirname, "../../..");
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  icon: string;
  activationEvents: string[];
  extensionKind: string[];
  capabilities: { untrustedWorkspaces: { supported: string; restrictedConfigurations: string[] } };
  contributes: {
    commands: { command: string; title: string; category: string }[];
    configuration: { properties: Record<string, Property> };
  };
};
const properties = manifest.contributes.configuration.properties;

describe("package.json", () => {
  it("declares exactly the settings of the protocol, with their defaults", () => {
    const defaults = Object.fromEntries(Object.entries(properties).map(([key, value]) => [key, value.default]));
    const expected = Object.entries(defaultSettings).map(([key, value]) => [`${configurationSection}.${key}`, value]);
    expect(defaults).toEqual(Object.fromEntries(expected));
  });

  it("declares the protocol's bounds for numbers, and for nothing else", () => {
    for (const [key, property] of Object.entries(properties)) {
      const bounds = Object.entries(settingBounds).find(([name]) => `${configurationSection}.${name}` === key)?.[1];
      expect({ key, minimum: property.minimum, maximum: property.maximum }).toEqual({
        key,
        minimum: bounds?.minimum,
        maximum: bounds?.maximum,
      });
      expect(property.type === "integer", key).toBe(bounds !== undefined);
    }
  });

  it("describes every setting in a sentence", () => {
    for (const [key, property] of Object.entries(properties)) {
      expect(property.markdownDescription, key).toMatch(/^[A-Z].{20,}\.$/);
    }
  });

  it("lists every execution provider", () => {
    expect(properties["selfracg.executionProvider"]?.enum).toEqual(["auto", "cuda", "cpu"]);
  });

  it("names its commands once, apart from the sidecar's own", () => {
    const commands = manifest.contributes.commands.map(({ command }) => command);
    expect(commands).toEqual([
      "selfracg.reindex",
      "selfracg.why",
      "selfracg.clearIndex",
      "selfracg.pauseIndexing",
      "selfracg.resumeIndexing",
      "selfracg.toggle",
      "selfracg.showInspector",
      "selfracg.restartSidecar",
      "selfracg.showLog",
    ]);
    for (const command of Object.values(serverCommands)) {
      expect(commands).not.toContain(command);
    }
    expect(new Set(manifest.contributes.commands.map(({ category }) => category))).toEqual(new Set(["SelfRACG"]));
  });

  it("has every command that the inspector offers", () => {
    const commands = manifest.contributes.commands.map(({ command }) => command);
    expect(commands).toEqual(expect.arrayContaining(Object.values(pageCommands)));
  });

  it("lets no untrusted workspace choose the model", () => {
    expect(manifest.capabilities.untrustedWorkspaces).toMatchObject({
      supported: "limited",
      restrictedConfigurations: ["selfracg.modelPath"],
    });
    expect(manifest.extensionKind).toEqual(["workspace"]);
  });

  it("has a square icon of 128 pixels", () => {
    const png = readFileSync(join(root, manifest.icon));
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([128, 128]);
  });
});
