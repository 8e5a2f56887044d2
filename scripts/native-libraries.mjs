// The shared libraries that a native file needs, and the system packages they come from.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, readFile, realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Libraries of the C and C++ runtimes, which every Linux machine with VS Code or Node.js has. */
const runtime = /^(ld-linux[-\w]*|lib(c|c_nonshared|m|mvec|dl|rt|pthread|gcc|gcc_s|gcc_eh|stdc\+\+))\.(a|so(\.\d+)*)$/;

/** @param {string} name a library file's name, such as `libm.so.6` */
export function isRuntimeLibrary(name) {
  return runtime.test(name);
}

/**
 * Reads the dynamic section and symbols of an ELF file by `readelf` of binutils.
 * @param {string} path
 * @returns {Promise<{needed: readonly string[], searched: readonly string[], unresolved: readonly string[]}>} names of
 *   the libraries it loads; folders in which they are searched first; undefined symbols
 */
export async function linkage(path) {
  const { stdout } = await run("readelf", ["--dynamic", "--dyn-syms", "--wide", path], { maxBuffer: 1 << 26 });
  const dynamic = (/** @type {RegExp} */ pattern) => [...stdout.matchAll(pattern)].map((match) => match[1] ?? "");
  const unresolved = dynamic(/^\s*\d+:\s.*\bGLOBAL\s+\w+\s+UND\s+(\S+)/gm).filter((symbol) => !symbol.includes("@"));
  return {
    needed: dynamic(/\(NEEDED\).*\[(.+)\]/g),
    searched: dynamic(/\((?:RPATH|RUNPATH)\).*\[(.+)\]/g).flatMap((paths) => paths.split(":")),
    unresolved,
  };
}

/**
 * Copies the shared libraries that a native file needs and that not every machine has beside it, together with their
 * dependencies. Only for Linux; the file must search for libraries in its own folder (`$ORIGIN`).
 * @param {string} path
 * @returns {Promise<readonly string[]>} the original paths of the copied libraries
 * @throws {Error} when a library is not found on this machine
 */
export async function copySharedLibraries(path) {
  if (process.platform !== "linux") return [];
  const { stdout } = await run("ldd", [path]);
  const copied = [];
  for (const [, name = "", target = ""] of stdout.matchAll(/^\s*(\S+) => (not found|\S+)/gm)) {
    if (isRuntimeLibrary(name)) continue;
    if (!existsSync(target)) throw new Error(`the shared library ${name} is not found on this machine`);
    if (dirname(target) === dirname(path)) continue;
    await copyFile(target, join(dirname(path), name));
    copied.push(target);
  }
  return copied;
}

/**
 * The system package of a library file, with its licence.
 * @param {string} file
 * @returns {Promise<{name: string, version: string, licence: string, text: string}>} `text` is empty when dpkg, the only
 *   supported package manager, does not know the file
 */
export async function libraryNotice(file) {
  const unknown = { name: basename(file), version: "", licence: "", text: "" };
  try {
    const owner = (await run("dpkg-query", ["--search", await realpath(file)])).stdout.split(": ")[0] ?? "";
    const format = ["Package", "Version", "source:Package", "source:Version"].map((field) => `\${${field}}`).join("\t");
    const { stdout } = await run("dpkg-query", ["--show", `--showformat=${format}`, owner]);
    const [name = "", version = "", source = "", sourceVersion = ""] = stdout.split("\t");
    const copyright = await readFile(join("/usr/share/doc", name, "copyright"), "utf8");
    // Debian's copyright files refer to common licences instead of quoting them.
    const common = new Set(copyright.match(/\/usr\/share\/common-licenses\/[A-Z]+-\d(\.\d)?/g) ?? []);
    const texts = await Promise.all([...common].map((path) => readFile(path, "utf8")));
    const origin = `Source: https://snapshot.debian.org/package/${source}/${sourceVersion}/`;
    return { name, version, licence: "see below", text: [origin, copyright, ...texts].join("\n\n") };
  } catch {
    return unknown;
  }
}
