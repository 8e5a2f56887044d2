// Keeps the README's tables in step with package.json.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const root = join(__dirname, "..");
const readme = readFileSync(join(root, "README.md"), "utf8");
const { contributes } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  contributes: {
    commands: { title: string; category: string }[];
    configuration: { properties: Record<string, { default: unknown; minimum?: number; maximum?: number }> }[];
  };
};

it("lists every command by the name the palette shows", () => {
  for (const { category, title } of contributes.commands) expect(readme).toContain(`| \`${category}: ${title}\` |`);
});

it("lists every setting with its default and bounds", () => {
  for (const [name, setting] of contributes.configuration.flatMap(({ properties }) => Object.entries(properties))) {
    const row = readme.split("\n").find((line) => line.startsWith(`| \`${name}\` |`));
    expect(row, name).toBeDefined();
    const shown = setting.default === "" ? "empty" : typeof setting.default === "string" ? `\`${setting.default}\`` : `\`${JSON.stringify(setting.default)}\``;
    expect(row).toContain(`| ${shown} |`);
    if (setting.minimum !== undefined) expect(row).toContain(`| ${setting.minimum} to ${setting.maximum} |`);
  }
});

it("shows pictures and pages that are there", () => {
  const links = [...readme.matchAll(/\]\(([^)#:]+)\)/g)].map((match) => match[1] ?? "");
  expect(links.length).toBeGreaterThan(5);
  for (const link of links) expect(existsSync(join(root, link)), link).toBe(true);
});
