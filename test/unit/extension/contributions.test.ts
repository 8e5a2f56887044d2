// package.json agrees with the code: commands, settings, walkthrough, trust.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { command } from "../../../extension/command-names";
import { pageCommands } from "../../../extension/inspector/page-commands";
import { serverCommands } from "../../../sidecar/protocol";

interface Property {
  type: string;
  default: unknown;
  markdownDescription: string;
  scope: string;
}

const root = join(__dirname, "../../..");
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  icon: string;
  activationEvents: string[];
  extensionKind: string[];
  capabilities: { untrustedWorkspaces: { supported: string; restrictedConfigurations: string[] } };
  contributes: {
    commands: { command: string; title: string; category: string; icon: string }[];
    menus: Record<string, { command: string; when: string }[]>;
    configuration: { title: string; order: number; properties: Record<string, Property & { order: number }> }[];
    walkthroughs: {
      id: string;
      steps: { description: string; media: { image: string; altText: string }; completionEvents: string[] }[];
    }[];
  };
};
const properties = Object.assign({}, ...manifest.contributes.configuration.map((group) => group.properties)) as Record<
  string,
  Property
>;

describe("package.json", () => {
  it("describes every setting in a sentence", () => {
    for (const [key, property] of Object.entries(properties)) {
      expect(property.markdownDescription, key).toMatch(/^[A-Z].{20,}\.$/);
    }
  });

  it("declares each command once, and none with a name of the sidecar's commands", () => {
    const commands = manifest.contributes.commands.map(({ command }) => command);
    expect(commands).toEqual(expect.arrayContaining(Object.values(command)));
    expect(commands).toHaveLength(Object.values(command).length);
    for (const own of Object.values(serverCommands)) {
      expect(commands).not.toContain(own);
    }
    expect(new Set(manifest.contributes.commands.map(({ category }) => category))).toEqual(new Set(["SelfRACG"]));
    for (const { title, icon } of manifest.contributes.commands) expect(icon, title).toMatch(/^\$\([a-z-]+\)$/);
  });

  it("hides only declared commands in the palette, by context keys that the extension sets", () => {
    const source = readFileSync(join(root, "extension/status/context-keys.ts"), "utf8");
    for (const { command: name, when } of Object.values(manifest.contributes.menus).flat()) {
      expect(Object.values<string>(command)).toContain(name);
      for (const [, key] of when.matchAll(/\bselfracg\.(?!inspector\b)(\w+)/g))
        expect(source).toContain(`set("${key}"`);
    }
  });

  it("groups its settings under titles, with a distinct order for each group and setting", () => {
    const groups = manifest.contributes.configuration;
    expect(groups.map(({ title }) => title)).toEqual(["Suggestions", "Retrieval", "Index", "Model"]);
    expect(groups.map(({ order }) => order)).toEqual(groups.map((_, place) => place));
    for (const group of groups) {
      const orders = Object.values(group.properties).map(({ order }) => order);
      expect(orders).toEqual(orders.map((_, place) => place));
    }
  });

  it("has a walkthrough with existing pictures and commands and a completion event per step", () => {
    const [walkthrough, ...others] = manifest.contributes.walkthroughs;
    expect(others).toEqual([]);
    expect(walkthrough?.id).toBe("getStarted");
    expect(walkthrough?.steps.length).toBeGreaterThanOrEqual(4);
    const source = readFileSync(join(root, "extension/status/context-keys.ts"), "utf8");
    for (const { description, media, completionEvents } of walkthrough?.steps ?? []) {
      expect(existsSync(join(root, media.image)), media.image).toBe(true);
      expect(media.altText.length).toBeGreaterThan(20);
      expect(completionEvents.length).toBeGreaterThan(0);
      for (const [, name] of `${description} ${completionEvents.join(" ")}`.matchAll(
        /(?:command|onCommand):(selfracg\.\w+)/g,
      )) {
        expect(Object.values<string>(command)).toContain(name);
      }
      for (const [, key] of completionEvents.join(" ").matchAll(/onContext:selfracg\.(\w+)/g))
        expect(source).toContain(`set("${key}"`);
    }
  });

  it("declares every command that the inspector offers", () => {
    const commands = manifest.contributes.commands.map(({ command }) => command);
    expect(commands).toEqual(expect.arrayContaining(Object.values(pageCommands)));
  });

  it("does not let an untrusted workspace choose the model", () => {
    expect(manifest.capabilities.untrustedWorkspaces).toMatchObject({
      supported: "limited",
      restrictedConfigurations: ["selfracg.model", "selfracg.modelPath"],
    });
    expect(manifest.extensionKind).toEqual(["workspace"]);
  });

  it("has a square icon of 128 pixels", () => {
    const png = readFileSync(join(root, manifest.icon));
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([128, 128]);
  });
});
