// Finds the npm packages that ship, bundled or copied, and the licence texts in a package's folder.
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { dirname, join, sep } from "node:path";

/**
 * Third-party code or data that ships. `licence` is its short name; `texts` has the licence's text and notices, and is
 * empty when none was found.
 * @typedef {{name: string, version: string, licence: string, repository: string, texts: readonly string[]}} Notice
 */

const licenceFile = /^(licen[cs]e|copying|copyright|notice|third[-_ ]?party[-_ ]?notices?)s?([-.][-\w.]*)?$/i;
const code = /\.([cm]?[jt]s|json|map|html)$/i;

/**
 * The package folders whose code is in these outputs of esbuild.
 * @param {import("esbuild").Metafile} metafile
 * @param {readonly string[]} outputs paths as in the metafile
 * @returns {readonly string[]} paths as in the metafile
 */
export function bundledPackages(metafile, outputs) {
  const folders = outputs.flatMap((output) => Object.keys(metafile.outputs[output]?.inputs ?? {})).map(packageOf);
  return [...new Set(folders.filter((folder) => folder !== undefined))].sort();
}

/**
 * Files of the project itself in these outputs.
 * @param {import("esbuild").Metafile} metafile
 * @param {readonly string[]} outputs
 */
export function ownFiles(metafile, outputs) {
  const files = outputs.flatMap((output) => Object.keys(metafile.outputs[output]?.inputs ?? {}));
  return [...new Set(files.filter((file) => packageOf(file) === undefined))].sort();
}

/** The folder of the package that a file is in. @param {string} path with forward slashes */
function packageOf(path) {
  return /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path)?.[0];
}

/**
 * The packages in a folder `node_modules`, including nested ones.
 * @param {string} modules
 * @returns {Promise<readonly string[]>} their folders relative to it, with forward slashes
 */
export async function installedPackages(modules) {
  const files = existsSync(modules) ? await readdir(modules, { recursive: true }) : [];
  const paths = files.map((file) => file.split(sep).join("/")).filter((file) => file.endsWith("/package.json"));
  return paths
    .map((file) => dirname(file))
    .filter((folder) => packageOf(`node_modules/${folder}/`) === `node_modules/${folder}`)
    .sort();
}

/**
 * Name, version and licence texts of the package in a folder.
 * @param {string} folder
 * @returns {Promise<Notice>}
 */
export async function packageNotice(folder) {
  const manifest = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
  const files = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((file) => file.isFile() && licenceFile.test(file.name) && !code.test(file.name))
    .map((file) => join(file.parentPath, file.name))
    .filter((file) => !file.slice(folder.length).includes(`${sep}node_modules${sep}`));
  const { name, version, license = "", repository = "" } = manifest;
  return {
    name,
    version,
    licence: typeof license === "string" ? license : (license.type ?? ""),
    repository: repositoryUrl(repository),
    texts: await Promise.all(files.sort().map((file) => readFile(file, "utf8"))),
  };
}

/** Normalises the repository of package.json to a URL. @param {string | {url?: string}} repository */
function repositoryUrl(repository) {
  const url = typeof repository === "string" ? repository : (repository.url ?? "");
  return url
    .replace(/^git\+/, "")
    .replace(/^(git|ssh):\/\/(git@)?/, "https://")
    .replace(/\.git$/, "");
}
