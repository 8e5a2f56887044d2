// Provides a working faiss-node addon: the existing one, else one compiled against the system's FAISS, else the prebuilt one.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { compileObjects, findTools, firstExisting, link, linkings } from "./faiss/compile.mjs";
import { copySharedLibraries, isRuntimeLibrary, libraryNotice } from "./native-libraries.mjs";
import { say, step } from "./report.mjs";

const run = promisify(execFile);
const modules = join(dirname(dirname(fileURLToPath(import.meta.url))), "node_modules");
const faissNode = join(modules, "faiss-node");
const release = join(faissNode, "build", "Release");
const addon = join(release, "faiss-node.node");

/**
 * Loads the addon and searches with it in its own process, because a library built for another CPU would crash this one.
 * FAISS uses BLAS for 20 or more queries in one call.
 */
const probe = `
  const { IndexFlatIP } = require(process.argv[1]);
  const index = new IndexFlatIP(2);
  index.add([1, 0, 0, 1]);
  for (const count of [1, 32]) {
    const { labels } = index.search(Array.from({ length: 2 * count }, (_, i) => i % 2), 1);
    if (labels.length !== count || labels.some((label) => label !== 1)) throw new Error("a search gave a wrong result");
  }
`;

/** @returns {Promise<string | undefined>} why the addon does not work; undefined when it does */
async function defect() {
  if (!existsSync(addon)) return "it is not built";
  try {
    await run(process.execPath, ["-e", probe, faissNode], { timeout: 20_000, killSignal: "SIGKILL" });
    return undefined;
  } catch (error) {
    return reason(error);
  }
}

/** The most informative line of a failed command's output. @param {unknown} error */
function reason(error) {
  const { killed, signal, stderr, message } =
    /** @type {{killed?: boolean, signal?: string, stderr?: string, message?: string}} */ (error);
  if (killed) return "it took too long";
  if (signal) return `it was ended by ${signal}`;
  const lines = (stderr || message || String(error))
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
  return lines.find((line) => /error|cannot|not found|unable/i.test(line)) ?? lines[0] ?? "unknown error";
}

/**
 * Tries one way of linking after another until the addon works, and copies the libraries it needs beside it.
 * @param {import("./faiss/compile.mjs").Tools} tools
 * @returns {Promise<string | undefined>} why no way works; undefined when one does
 */
async function compile(tools) {
  const folder = await mkdtemp(join(tmpdir(), "faiss-node-"));
  try {
    const objects = await compileObjects(tools, faissNode, folder);
    const failures = [];
    for (const linking of linkings()) {
      try {
        const output = join(folder, "faiss-node.node");
        const linked = await link(tools, objects, linking, output);
        await rm(release, { recursive: true, force: true });
        await mkdir(release, { recursive: true });
        await copyFile(output, addon);
        await writeNotices([...linked, ...(await copySharedLibraries(addon))]);
        const wrong = await defect();
        if (wrong === undefined) return undefined;
        failures.push(`with ${linking.name}, ${wrong}`);
      } catch (error) {
        failures.push(`with ${linking.name}, ${reason(error)}`);
      }
    }
    return failures.join("; ");
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Records the libraries inside and beside the addon for the third-party notices. @param {readonly string[]} libraries */
async function writeNotices(libraries) {
  const foreign = libraries.filter((path) => !isRuntimeLibrary(basename(path)));
  const notices = await Promise.all(foreign.map(libraryNotice));
  const unique = [...new Map(notices.map((notice) => [`${notice.name} ${notice.version}`, notice])).values()];
  await writeFile(join(release, "libraries.json"), `${JSON.stringify(unique, undefined, 2)}\n`);
}

/** Downloads faiss-node's prebuilt addon with its own script, without that script's fallback, which clones FAISS. */
async function download() {
  const script = firstExisting([
    join(modules, "prebuild-install", "bin.js"),
    join(faissNode, "node_modules", "prebuild-install", "bin.js"),
  ]);
  if (script === undefined) throw new Error("the npm package prebuild-install is missing");
  await run(process.execPath, [script, "--runtime", "napi"], {
    cwd: faissNode,
    timeout: 10_000,
    killSignal: "SIGKILL",
  });
}

/**
 * Makes node_modules/faiss-node loadable if possible; never fails. Without it the
 * sidecar searches without FAISS, with the same results.
 * @returns {Promise<boolean>} whether faiss-node loads now
 */
export async function buildFaiss() {
  const tried = [];
  try {
    if (!existsSync(join(faissNode, "src", "faiss.cc")))
      throw new Error("the optional npm package faiss-node is not installed");
    let wrong = await defect();
    if (wrong === undefined) return true;
    const tools = await findTools(modules);
    if (typeof tools === "string") tried.push(tools);
    else {
      try {
        wrong = await step("FAISS addon, compiled against the system's FAISS", () => compile(tools));
        if (wrong === undefined) return true;
        tried.push(`compiled, but ${wrong}`);
      } catch (error) {
        tried.push(`compiling failed: ${reason(error)}`);
      }
    }
    try {
      await step("FAISS addon, prebuilt", download);
      wrong = await defect();
      if (wrong === undefined) return true;
      tried.push(`downloaded, but ${wrong}`);
    } catch (error) {
      tried.push(`the prebuilt one could not be downloaded: ${reason(error)}`);
    }
  } catch (error) {
    tried.push(reason(error));
  }
  // The sidecar must not find an addon that does not load or crashes.
  await rm(addon, { force: true }).catch(() => {});
  say(`  No FAISS addon (${tried.join("; ")}): the exact search in TypeScript takes over, with the same results.`);
  return false;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await buildFaiss();
