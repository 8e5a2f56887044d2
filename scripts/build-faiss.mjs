// Gets a faiss-node addon that loads: the one already there, else compiled against the system's FAISS, else the package's prebuilt one.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { say, step } from "./report.mjs";

const run = promisify(execFile);
const modules = join(dirname(dirname(fileURLToPath(import.meta.url))), "node_modules");
const faissNode = join(modules, "faiss-node");
const addon = join(faissNode, "build", "Release", "faiss-node.node");

/** Loads the addon and searches with it, in a process of its own: a library built for another CPU ends that one only. */
const probe = `
  const { IndexFlatIP } = require(process.argv[1]);
  const index = new IndexFlatIP(2);
  index.add([1, 0, 0, 1]);
  if (index.search([0, 1], 1).labels[0] !== 1) throw new Error("a search gave a wrong result");
`;

/** @returns {Promise<string | undefined>} why the addon does not work, nothing where it does */
async function defect() {
  if (!existsSync(addon)) return "it is not built";
  try {
    await run(process.execPath, ["-e", probe, faissNode], { timeout: 20_000, killSignal: "SIGKILL" });
    return undefined;
  } catch (error) {
    return reason(error);
  }
}

/** The line of a failed command that says most. @param {unknown} error */
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

/** @param {readonly string[]} candidates */
function firstExisting(candidates) {
  return candidates.find((path) => existsSync(path));
}

/** What compiling takes, or in one phrase what is missing. */
async function toolchain() {
  if (process.platform === "win32") return "compiling is not set up for Windows";
  const prefix = firstExisting(
    ["/usr/include", "/usr/local/include", "/opt/homebrew/include"].map((path) => join(path, "faiss", "Index.h")),
  );
  if (prefix === undefined) return "FAISS's headers are not installed (Debian and Ubuntu: libfaiss-dev)";
  const include = dirname(dirname(prefix));
  const napi = firstExisting([
    join(modules, "node-addon-api", "napi.h"),
    join(faissNode, "node_modules", "node-addon-api", "napi.h"),
  ]);
  if (napi === undefined) return "the npm package node-addon-api is missing";
  const node = firstExisting(
    [
      join(dirname(dirname(process.execPath)), "include", "node"),
      "/usr/include/node",
      "/usr/local/include/node",
      join(modules, "node-api-headers", "include"),
    ].map((path) => join(path, "node_api.h")),
  );
  if (node === undefined)
    return "Node's headers are not installed (Debian and Ubuntu: libnode-dev; or the npm package node-api-headers)";
  for (const compiler of [process.env["CXX"], "g++", "clang++", "c++"]) {
    if (compiler === undefined) continue;
    try {
      await run(compiler, ["--version"], { timeout: 5_000 });
      return { compiler, include, library: join(dirname(include), "lib"), napi: dirname(napi), node: dirname(node) };
    } catch {
      continue;
    }
  }
  return "no C++ compiler was found (g++, clang++)";
}

/** Compiles the addon's own source. @param {{compiler: string, include: string, library: string, napi: string, node: string}} tools */
async function compile({ compiler, include, library, napi, node }) {
  const folder = await mkdtemp(join(tmpdir(), "faiss-node-"));
  try {
    const header = await readFile(join(include, "faiss", "Index.h"), "utf8");
    const [major = 0, minor = 0, patch = 0] = ["MAJOR", "MINOR", "PATCH"].map((part) =>
      Number(new RegExp(`FAISS_VERSION_${part}\\s+(\\d+)`).exec(header)?.[1] ?? 0),
    );
    let source = await readFile(join(faissNode, "src", "faiss.cc"), "utf8");
    // The source is written for FAISS 1.7.4, which moved idx_t out of the class Index.
    if (major * 10_000 + minor * 100 + patch < 10_704)
      source = source.replace("using idx_t = faiss::idx_t;", "using idx_t = faiss::Index::idx_t;");
    const copy = join(folder, "faiss.cc");
    const output = join(folder, "faiss-node.node");
    await writeFile(copy, source);
    const platform =
      process.platform === "darwin"
        ? ["-undefined", "dynamic_lookup", "-Xpreprocessor", "-fopenmp", "-lomp"]
        : ["-fopenmp"];
    const flags = [
      "-O2",
      "-shared",
      "-fPIC",
      "-std=c++17",
      "-DNAPI_VERSION=8",
      "-DNODE_GYP_MODULE_NAME=faiss_node",
      `-I${node}`,
      `-I${napi}`,
      `-I${include}`,
    ];
    await run(compiler, [...flags, copy, "-o", output, `-L${library}`, "-lfaiss", ...platform], { timeout: 300_000 });
    await mkdir(dirname(addon), { recursive: true });
    await copyFile(output, addon);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Runs faiss-node's own download of a prebuilt addon, without its fallback, which clones FAISS. */
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
 * Brings node_modules/faiss-node to a state in which it loads, where that is possible; never fails. Without it the
 * sidecar searches by an exact scan of its own: same results.
 * @returns {Promise<boolean>} whether faiss-node loads now
 */
export async function buildFaiss() {
  const tried = [];
  try {
    if (!existsSync(join(faissNode, "src", "faiss.cc")))
      throw new Error("the optional npm package faiss-node is not installed");
    let wrong = await defect();
    if (wrong === undefined) return true;
    const tools = await toolchain();
    if (typeof tools === "string") tried.push(tools);
    else {
      try {
        await step("FAISS addon, compiled against the system's FAISS", () => compile(tools));
        wrong = await defect();
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
  // One that does not load, or ends its process, must not be found by the sidecar.
  await rm(addon, { force: true }).catch(() => {});
  say(`  No FAISS addon (${tried.join("; ")}): the exact search in TypeScript takes over, with the same results.`);
  return false;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await buildFaiss();
