// Collects the licence texts of all third-party code that ships, and writes them to one file.
import { existsSync } from "node:fs";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { say } from "../report.mjs";
import { bundledPackages, installedPackages, ownFiles, packageNotice } from "./packages.mjs";

/** @typedef {import("./packages.mjs").Notice} Notice */

/** Licence texts for packages without one: a folder for each package (`NAME-VERSION`), and one for the grammars. */
const texts = join(dirname(fileURLToPath(import.meta.url)), "texts");
/** Packages that use the licence texts of another package, by name. */
const sameProject = new Map([
  ["onnxruntime-node", "onnxruntime"],
  ["onnxruntime-common", "onnxruntime"],
]);

/**
 * @typedef {object} Shipped the files that ship
 * @property {string} root the project's folder
 * @property {string} dist the build folder, with native packages and grammars
 * @property {readonly import("esbuild").Metafile[]} metafiles esbuild's metafiles of the builds
 * @property {readonly string[]} outputs the bundles that ship, by their names in the metafiles
 */

/**
 * @param {Shipped} shipped
 * @returns {Promise<readonly Notice[]>} sorted by name; `texts` is empty when none was found
 */
export async function collectNotices({ root, dist, metafiles, outputs }) {
  const modules = join(root, "node_modules");
  const copied = await installedPackages(join(dist, "node_modules"));
  const folders = [
    ...metafiles.flatMap((metafile) => bundledPackages(metafile, outputs)).map((folder) => join(root, folder)),
    // A copied package may lack its licence, which its source package has.
    ...copied.map((name) => [join(modules, name), join(dist, "node_modules", name)].find((path) => existsSync(path))),
  ].filter((folder) => folder !== undefined);
  const faiss = copied.includes("faiss-node");
  // Headers of node-addon-api are compiled into the addon of faiss-node.
  if (faiss) folders.push(join(modules, "node-addon-api"));
  const packages = await Promise.all([...new Set(folders)].map(packageNotice));
  const all = [
    ...(await Promise.all(packages.map((notice) => completedNotice(notice, packages)))),
    ...(faiss ? await linkedLibraries(join(modules, "faiss-node", "build", "Release", "libraries.json")) : []),
    ...(await grammarNotices(join(dist, "grammars"), join(modules, "@vscode", "tree-sitter-wasm"))),
    ...(await dataNotices(root, new Set(metafiles.flatMap((metafile) => ownFiles(metafile, outputs))))),
  ];
  const unique = new Map(all.map((notice) => [`${notice.name} ${notice.version}`, notice]));
  return [...unique.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Adds the texts from this folder, or else those of another package from the same repository.
 * @param {Notice} notice @param {readonly Notice[]} others @returns {Promise<Notice>}
 */
async function completedNotice(notice, others) {
  const folder = join(texts, `${sameProject.get(notice.name) ?? notice.name}-${notice.version}`);
  const added = existsSync(folder) ? await readdir(folder) : [];
  const ours = await Promise.all(added.sort().map((name) => readFile(join(folder, name), "utf8")));
  if (notice.texts.length + ours.length > 0) return { ...notice, texts: [...notice.texts, ...ours] };
  const relative = others.find(
    (other) => other.repository !== "" && other.repository === notice.repository && other.texts.length > 0,
  );
  return { ...notice, texts: relative?.texts ?? [] };
}

/** The libraries inside and beside the addon, as recorded by its build. @param {string} file */
async function linkedLibraries(file) {
  if (!existsSync(file)) return [];
  /** @type {readonly {name: string, version: string, text: string}[]} */
  const libraries = JSON.parse(await readFile(file, "utf8"));
  return libraries.map(({ name, version, text }) => ({
    name,
    version,
    licence: "",
    repository: "",
    texts: text === "" ? [] : [text],
  }));
}

/** @param {string} grammars folder of the grammars that ship @param {string} builder the package with the built grammars */
async function grammarNotices(grammars, builder) {
  const names = (existsSync(grammars) ? await readdir(grammars) : []).filter((name) => /^tree-sitter-/.test(name));
  if (names.length === 0) return [];
  const from = await packageNotice(builder);
  const notices = names.map(async (file) => {
    const name = basename(file, ".wasm");
    const path = join(texts, "grammars", `${name}.txt`);
    const own = existsSync(path) ? [await readFile(path, "utf8")] : [];
    return { name, version: `in ${from.name} ${from.version}`, licence: "", repository: "", texts: own };
  });
  return [from, ...(await Promise.all(notices))];
}

/** Third-party data in the project's own folders, with its licence beside it as `FILE.license`. @param {string} root @param {ReadonlySet<string>} files */
async function dataNotices(root, files) {
  const licensed = [...files].filter((file) => existsSync(join(root, `${file}.license`)));
  return Promise.all(
    licensed.map(async (file) => ({
      name: file,
      version: "",
      licence: "",
      repository: "",
      texts: [await readFile(join(root, `${file}.license`), "utf8")],
    })),
  );
}

/**
 * @param {readonly Notice[]} notices
 * @param {readonly string[]} legalComments licence comments of bundled code
 * @returns {string} the content of the file, with equal texts under one heading
 */
export function formatNotices(notices, legalComments) {
  /** @type {Map<string, string[]>} */
  const titles = new Map();
  for (const { name, version, licence, texts: found } of notices) {
    const body = found.length === 0 ? noText : found.join("\n\n").replaceAll("\r\n", "\n").trim();
    const title = [name, version, licence === "" ? "" : `(${licence})`].filter(Boolean).join(" ");
    titles.set(body, [...(titles.get(body) ?? []), title]);
  }
  const comments = legalComments.map((text) => text.trim()).filter(Boolean);
  const sections = [...titles].map(([body, names]) => section(names, body));
  if (comments.length > 0) sections.push(section(["Comments in bundled code"], comments.join("\n\n")));
  const head =
    "SelfRACG Code contains the following third-party software, each under the licence that follows its name.\n";
  return [head, ...sections].join("\n");
}

const noText = "No licence text was found. Do not publish this build.";

/** @param {readonly string[]} titles @param {string} body */
function section(titles, body) {
  const rule = "=".repeat(80);
  return `${rule}\n${titles.join("\n")}\n${rule}\n\n${body}\n`;
}

/** Writes THIRD_PARTY_NOTICES.txt into the build folder, and reports packages without a licence text. @param {Shipped} shipped */
export async function writeNotices(shipped) {
  const notices = await collectNotices(shipped);
  const files = shipped.outputs.map((output) => join(shipped.root, `${output}.LEGAL.txt`)).filter(existsSync);
  const comments = await Promise.all(files.map((file) => readFile(file, "utf8")));
  await writeFile(join(shipped.dist, "THIRD_PARTY_NOTICES.txt"), formatNotices(notices, comments));
  const missing = notices.filter((notice) => notice.texts.length === 0);
  if (missing.length === 0) return;
  const names = missing.map(({ name, version }) => `${name} ${version}`).join(", ");
  say(`  No licence text was found for ${names}: put one into scripts/notices/texts before you publish this build.`);
}
