// Compiles faiss-node's own source against the system's FAISS and links it with FAISS and BLAS.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const here = dirname(fileURLToPath(import.meta.url));

/** @typedef {{compiler: string, include: string, library: string, napi: string, node: string}} Tools the compiler, and folders of headers and libraries */
/** @typedef {{name: string, flags: readonly string[]}} Linking a way of linking: its name for messages, and the linker's flags */

/** @param {readonly string[]} candidates @returns {string | undefined} */
export function firstExisting(candidates) {
  return candidates.find((path) => existsSync(path));
}

/**
 * Looks for compiler and headers.
 * @param {string} modules the folder node_modules
 * @returns {Promise<Tools | string>} the tools, or a phrase that names what is missing
 */
export async function findTools(modules) {
  if (process.platform === "win32") return "compiling is not set up for Windows";
  const header = firstExisting(
    ["/usr/include", "/usr/local/include", "/opt/homebrew/include"].map((path) => join(path, "faiss", "Index.h")),
  );
  if (header === undefined) return "FAISS's headers are not installed (Debian and Ubuntu: libfaiss-dev)";
  const include = dirname(dirname(header));
  const napi = firstExisting([
    join(modules, "node-addon-api", "napi.h"),
    join(modules, "faiss-node", "node_modules", "node-addon-api", "napi.h"),
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
  for (const compiler of [process.env.CXX, "g++", "clang++", "c++"]) {
    if (compiler === undefined) continue;
    try {
      await run(compiler, ["--version"], { timeout: 5_000 });
      return { compiler, include, library: join(dirname(include), "lib"), napi: dirname(napi), node: dirname(node) };
    } catch {}
  }
  return "no C++ compiler was found (g++, clang++)";
}

/**
 * The ways to link, best first. On Linux FAISS, LAPACK and BLAS go into the addon where their static libraries are
 * installed (Debian's libfaiss-dev installs all three), so that the machine it runs on needs none of them.
 * @returns {readonly Linking[]}
 */
export function linkings() {
  if (process.platform === "darwin") {
    const flags = ["-undefined", "dynamic_lookup", "-lfaiss", "-lomp", "-framework", "Accelerate"];
    return [{ name: "Accelerate", flags }];
  }
  // The OpenMP runtime's static library cannot be linked into a shared object, so it is copied beside the addon ("$ORIGIN").
  // Symbols are bound at load time, so that a missing one is an error that can be caught, not a crash in a later call.
  const shared = ["-s", "-fopenmp", "-Wl,-z,now", "-Wl,--disable-new-dtags", "-Wl,-rpath,$ORIGIN"];
  const inside = ["-Wl,--exclude-libs,ALL", "-Wl,--gc-sections", "-Wl,-Bstatic", "-lfaiss", "-llapack", "-lblas"];
  return [
    { name: "static LAPACK and BLAS", flags: [...shared, ...inside, "-Wl,-Bdynamic"] },
    { name: "shared LAPACK and BLAS", flags: [...shared, "-lfaiss", "-llapack", "-lblas"] },
    { name: "shared OpenBLAS", flags: [...shared, "-lfaiss", "-lopenblas"] },
  ];
}

/**
 * Compiles the addon's source and, on Linux, the routines that a static LAPACK needs.
 * @param {Tools} tools
 * @param {string} faissNode the package's folder
 * @param {string} folder where the object files are written
 * @returns {Promise<readonly string[]>} the object files
 */
export async function compileObjects({ compiler, include, napi, node }, faissNode, folder) {
  const header = await readFile(join(include, "faiss", "Index.h"), "utf8");
  const [major = 0, minor = 0, patch = 0] = ["MAJOR", "MINOR", "PATCH"].map((part) =>
    Number(new RegExp(`FAISS_VERSION_${part}\\s+(\\d+)`).exec(header)?.[1] ?? 0),
  );
  let source = await readFile(join(faissNode, "src", "faiss.cc"), "utf8");
  // The source is written for FAISS 1.7.4, which moved idx_t out of the class Index.
  if (major * 10_000 + minor * 100 + patch < 10_704)
    source = source.replace("using idx_t = faiss::idx_t;", "using idx_t = faiss::Index::idx_t;");
  const copy = join(folder, "faiss.cc");
  await writeFile(copy, source);
  const flags = ["-c", "-O2", "-fPIC", "-std=c++17", "-DNAPI_VERSION=8", "-DNODE_GYP_MODULE_NAME=faiss_node"];
  const headers = [node, napi, include].map((path) => `-I${path}`);
  const sources = process.platform === "linux" ? [copy, join(here, "lapack-runtime.cc")] : [copy];
  const objects = [];
  for (const [i, path] of sources.entries()) {
    const object = join(folder, `${i}.o`);
    await run(compiler, [...flags, ...headers, path, "-o", object], { timeout: 300_000 });
    objects.push(object);
  }
  return objects;
}

/**
 * Links the object files into `output`.
 * @param {Tools} tools
 * @param {readonly string[]} objects
 * @param {Linking} linking
 * @param {string} output
 * @returns {Promise<readonly string[]>} the library files that the linker used, static and shared
 */
export async function link({ compiler, library }, objects, linking, output) {
  const { stdout } = await run(
    compiler,
    ["-shared", "-Wl,-t", ...objects, "-o", output, `-L${library}`, ...linking.flags],
    { timeout: 300_000 },
  );
  const paths = stdout.split("\n").map((line) => line.trim());
  return [...new Set(paths.filter((path) => /\.(a|dylib|so(\.\d+)*)$/.test(path)))];
}
