// The contents of the VSIX: a list of files, licence texts of all third-party code, and native code for any machine.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { unzipSync } from "fflate";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { isRuntimeLibrary, linkage } from "../../scripts/native-libraries.mjs";

const root = resolve(import.meta.dirname, "../..");
const vsix = process.env.SELFRACG_VSIX ?? join(root, "dist", "selfracg-code.vsix");
const files = new Map(Object.entries(unzipSync(readFileSync(vsix))).filter(([name]) => !name.endsWith("/")));
const names = [...files.keys()].sort();

function text(name: string): string {
  const content = files.get(name);
  if (content === undefined) throw new Error(`Expected ${name} in ${vsix}, found ${names.join(", ")}.`);
  return Buffer.from(content).toString("utf8");
}

describe("the contents of the VSIX", () => {
  const lines = readFileSync(join(import.meta.dirname, "vsix-contents.txt"), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  const patterns = lines.map((line) => ({
    line,
    pattern: new RegExp(`^${line.replace(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", "[^/]*")}$`),
  }));

  it("are only files of the list", () => {
    expect(names.filter((name) => !patterns.some(({ pattern }) => pattern.test(name)))).toEqual([]);
  });

  it("include a file for each line of the list", () => {
    expect(patterns.filter(({ pattern }) => !names.some((name) => pattern.test(name)))).toEqual([]);
  });

  it("are bundles without inline source maps", () => {
    const bundles = names.filter((name) => /^extension\/dist\/[^/]+\.js$/.test(name));
    expect(bundles.length).toBeGreaterThan(0);
    for (const name of bundles) expect(text(name), name).not.toContain("sourceMappingURL=data:");
  });

  it("have https addresses for all pictures and links", () => {
    for (const page of ["extension/readme.md", "extension/changelog.md"]) {
      const links = [...text(page).matchAll(/\]\(([^)#][^)]*)\)/g)].map(([, link]) => link);
      if (page === "extension/readme.md") expect(links.length, page).toBeGreaterThan(0);
      expect(
        links.filter((link) => !link?.startsWith("https://")),
        page,
      ).toEqual([]);
    }
  });

  it("include repository, issue page, icon and changelog for the Marketplace", () => {
    const manifest = text("extension.vsixmanifest");
    for (const link of ["Source", "Support", "Learn"])
      expect(manifest).toMatch(new RegExp(`Services\\.Links\\.${link}" Value="https://`));
    expect(manifest).toContain("<Icon>extension/media/icon.png</Icon>");
    expect(manifest).toContain("Services.Content.Changelog");
  });
});

describe("the third-party notices in the VSIX", () => {
  const rule = "=".repeat(80);
  /** Headings with the text below them: heading, text, heading, text, and so on. */
  const parts = text("extension/dist/THIRD_PARTY_NOTICES.txt").split(`${rule}\n`).slice(1);
  const sections = parts.flatMap((titles, i) =>
    i % 2 === 0 ? titles.split("\n").map((title) => ({ title, body: parts[i + 1] ?? "" })) : [],
  );

  function expectNotice(name: string): void {
    const found = sections.filter(({ title }) => title.startsWith(`${name} `));
    expect(found.length, `notices of ${name}`).toBeGreaterThan(0);
    for (const { body } of found) expect(body, name).toMatch(/copyright|licen[cs]e|permission/i);
  }

  it("have each package that esbuild named in a bundle", () => {
    const bundles = names.filter((name) => /^extension\/dist\/[^/]+\.js$/.test(name)).map(text);
    const packages = bundles.flatMap((code) =>
      [...code.matchAll(/^\s*\/\/ (?:\S*\/)?node_modules\/((?:@[^/\s]+\/)?[^/\s]+)\/\S+$/gm)].map(
        ([, name = ""]) => name,
      ),
    );
    expect(new Set(packages).size).toBeGreaterThan(5);
    for (const name of new Set(packages)) expectNotice(name);
  });

  it("have each package beside the bundles", () => {
    const manifests = names.filter((name) => /node_modules\/(@[^/]+\/)?[^/]+\/package\.json$/.test(name));
    expect(manifests.length).toBeGreaterThan(2);
    for (const name of manifests) expectNotice(JSON.parse(text(name)).name);
  });

  it("have each grammar, and the libraries inside and beside FAISS's addon", () => {
    const grammars = names.flatMap((name) => /grammars\/(tree-sitter-[-\w]+)\.wasm$/.exec(name)?.[1] ?? []);
    expect(grammars.length).toBeGreaterThan(5);
    for (const name of grammars) expectNotice(name);
    if (process.platform === "linux") for (const name of ["libfaiss", "libgomp"]) expectAny(name);
  });

  function expectAny(start: string): void {
    expect(
      sections.some(({ title }) => title.startsWith(start)),
      start,
    ).toBe(true);
  }

  it("have a text under each heading", () => {
    expect(sections.filter(({ body }) => body.trim() === "" || body.includes("No licence text was found"))).toEqual([]);
  });

  it("have ONNX Runtime's own notices", () => {
    expect(sections.find(({ title }) => title.startsWith("onnxruntime-node "))?.body).toContain("google/flatbuffers");
  });
});

describe.runIf(process.platform === "linux")("native code in the VSIX", () => {
  const native = names.filter((name) => /\.(node|so(\.\d+)*)$/.test(name));
  let unpacked = "";

  beforeAll(() => {
    unpacked = mkdtempSync(join(tmpdir(), "selfracg-vsix-"));
    for (const [name, content] of files) {
      if (!name.startsWith("extension/dist/")) continue;
      mkdirSync(dirname(join(unpacked, name)), { recursive: true });
      writeFileSync(join(unpacked, name), content);
    }
  });

  afterAll(() => rmSync(unpacked, { recursive: true, force: true }));

  it.each(native)("needs only libraries that every machine has or that are beside it: %s", async (name) => {
    const { needed, searched } = await linkage(join(unpacked, name));
    const beside = needed.filter((library) => !isRuntimeLibrary(library));
    for (const library of beside) expect(names).toContain(`${dirname(name)}/${library}`);
    if (beside.length > 0) expect(searched).toEqual([expect.stringMatching(/^\$ORIGIN\/?$/)]);
  });

  it("of FAISS's addon has no unresolved symbols but Node's, and is stripped", async () => {
    const addon = native.find((name) => name.endsWith("faiss-node.node")) ?? "";
    expect((await linkage(join(unpacked, addon))).unresolved.filter((symbol) => !symbol.startsWith("napi_"))).toEqual(
      [],
    );
    expect(
      execFileSync("readelf", ["--sections", "--wide", join(unpacked, addon)], { encoding: "utf8" }),
    ).not.toContain(".symtab");
  });

  it("of FAISS's addon searches 32 queries in one call", () => {
    const script = `
      const { IndexFlatIP } = require(process.argv[1]);
      const index = new IndexFlatIP(4);
      index.add([0, 0, 0, 1, 0, 0, 1, 0]);
      console.log(index.search(Array.from({ length: 32 * 4 }, (_, i) => Number(i % 4 === 2)), 1).labels.join(""));
    `;
    const addon = join(unpacked, "extension/dist/node_modules/faiss-node");
    expect(execFileSync(process.execPath, ["-e", script, addon], { encoding: "utf8" }).trim()).toBe("1".repeat(32));
  });
});
