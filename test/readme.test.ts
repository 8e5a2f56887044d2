// Keeps the README's tables in step with package.json, and its links and pictures with what is there.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
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
    const shown =
      setting.default === ""
        ? "empty"
        : typeof setting.default === "string"
          ? `\`${setting.default}\``
          : `\`${JSON.stringify(setting.default)}\``;
    expect(row).toContain(`| ${shown} |`);
    if (setting.minimum !== undefined) expect(row).toContain(`| ${setting.minimum} to ${setting.maximum} |`);
  }
});

it("leads to pages that are there, as do these in turn", () => {
  const pages = ["README.md", "CHANGELOG.md"];
  for (const page of pages) {
    const text = readFileSync(join(root, page), "utf8");
    for (const [, link = ""] of text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
      const target = normalize(join(dirname(page), link));
      expect(existsSync(join(root, target)), `${page}: ${link}`).toBe(true);
      if (target.endsWith(".md") && !pages.includes(target)) pages.push(target);
    }
  }
  expect(pages).toEqual(expect.arrayContaining(["docs/protocol.md", "docs/editors.md", "CONTRIBUTING.md"]));
});

it("shows pictures that the Marketplace shows: no SVG, in the repository", () => {
  const pictures = [...readme.matchAll(/!\[[^\]]*\]\(([^)]+)\)/g)].map(([, picture]) => picture);
  expect(pictures.length).toBeGreaterThan(0);
  for (const picture of pictures) expect(picture).toMatch(/^media\/[-\w/]+\.png$/);
});
