// README and docs agree with package.json, and their links and pictures exist.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { expect, it } from "vitest";

const root = join(__dirname, "..");
const readme = readFileSync(join(root, "README.md"), "utf8");
const commandsPage = readFileSync(join(root, "docs", "commands.md"), "utf8");
const settingsPage = readFileSync(join(root, "docs", "settings.md"), "utf8");
const { contributes } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  contributes: {
    commands: { title: string; category: string }[];
    configuration: { properties: Record<string, { default: unknown; minimum?: number; maximum?: number }> }[];
  };
};

it("docs/commands.md lists every command under its name in the palette", () => {
  for (const { category, title } of contributes.commands)
    expect(commandsPage).toContain(`| \`${category}: ${title}\` |`);
});

it("docs/settings.md lists every setting with its default and bounds", () => {
  for (const [name, setting] of contributes.configuration.flatMap(({ properties }) => Object.entries(properties))) {
    const row = settingsPage.split("\n").find((line) => line.startsWith(`| \`${name}\` |`));
    expect(row, name).toBeDefined();
    expect(row).toContain(`| \`${JSON.stringify(setting.default)}\` |`);
    if (setting.minimum !== undefined) expect(row).toContain(`| ${setting.minimum} to ${setting.maximum} |`);
  }
});

/** Pages that can be reached from README and CHANGELOG. @throws AssertionError for a broken link */
function reachablePages(): string[] {
  const pages = ["README.md", "CHANGELOG.md"];
  for (const page of pages) {
    const text = readFileSync(join(root, page), "utf8");
    for (const [, link = ""] of text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
      const target = normalize(join(dirname(page), link));
      expect(existsSync(join(root, target)), `${page}: ${link}`).toBe(true);
      if (target.endsWith(".md") && !pages.includes(target)) pages.push(target);
    }
  }
  return pages;
}

it("the README links only to existing pages, and directly or not to every page in docs/", () => {
  const docs = readdirSync(join(root, "docs")).map((name) => `docs/${name}`);
  expect(reachablePages()).toEqual(expect.arrayContaining([...docs, "CONTRIBUTING.md", "SECURITY.md"]));
});

it("the README has only pictures that the Marketplace shows: no SVG, and in the repository", () => {
  const pictures = [...readme.matchAll(/!\[[^\]]*\]\(([^)]+)\)/g)].map(([, picture]) => picture);
  expect(pictures.length).toBeGreaterThan(0);
  for (const picture of pictures) expect(picture).toMatch(/^media\/[-\w/]+\.png$/);
});

it("the README has at most 150 lines", () => {
  expect(readme.split("\n").length).toBeLessThanOrEqual(150);
});

it("docs/architecture.md names only existing files and folders", () => {
  const page = readFileSync(join(root, "docs", "architecture.md"), "utf8");
  const paths = [...page.matchAll(/`((?:sidecar|extension|models|test)\/[\w./-]*)`/g)].map(([, path = ""]) => path);
  expect(paths.length).toBeGreaterThan(40);
  expect(paths.filter((path) => !path.includes("NAME") && !existsSync(join(root, path)))).toEqual([]);
});
