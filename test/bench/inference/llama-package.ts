// Installs node-llama-cpp (llama.cpp with prebuilt binaries) for the comparison: it is too large to be a dependency.

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { errorMessage } from "../../../sidecar/host/errors";

export const llamaVersion = "3.21.1";
/** Size of the installation on disk, for the announcement. */
export const llamaMegabytes = 85;

/** Packages with the CPU binaries by Node.js's platform and architecture. */
const binaries: Readonly<Record<string, string>> = {
  "linux-x64": "linux-x64",
  "linux-arm64": "linux-arm64",
  "darwin-arm64": "mac-arm64-metal",
  "darwin-x64": "mac-x64",
  "win32-x64": "win-x64",
  "win32-arm64": "win-arm64",
};

/**
 * Installs into `folder` unless it is installed already. Install scripts are not run, and the packages with GPU binaries,
 * 600 MB, are omitted.
 * @param announce called before a download
 * @returns path of the package's entry, an ES module
 * @throws Error when there are no binaries for this machine, or npm fails
 */
export async function installLlama(folder: string, announce: () => void): Promise<string> {
  const platform = `${process.platform}-${process.arch}`;
  const binary = binaries[platform];
  if (binary === undefined)
    throw new Error(`Expected one of ${Object.keys(binaries).join(", ")}, found ${platform}: no llama.cpp for it.`);
  const stamp = join(folder, "installed");
  const wanted = `${llamaVersion} ${binary}`;
  const installed = existsSync(stamp) ? await readFile(stamp, "utf8") : "";
  if (installed !== wanted) {
    announce();
    await rm(folder, { recursive: true, force: true });
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, "package.json"), JSON.stringify({ private: true }));
    const packages = [`node-llama-cpp@${llamaVersion}`, `@node-llama-cpp/${binary}@${llamaVersion}`];
    await npm(["install", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund", ...packages], folder);
    await writeFile(stamp, wanted);
  }
  return join(folder, "node_modules", "node-llama-cpp", "dist", "index.js");
}

/** Runs the npm that started this process, else the one on the PATH. */
async function npm(args: readonly string[], folder: string): Promise<void> {
  const script = process.env.npm_execpath;
  const [program, ...first] = script === undefined ? ["npm"] : [process.execPath, script];
  try {
    await promisify(execFile)(program ?? "npm", [...first, ...args], {
      cwd: folder,
      maxBuffer: 1 << 24,
      timeout: 600_000,
    });
  } catch (error) {
    const text = errorMessage(error).trim();
    throw new Error(`Expected npm to install node-llama-cpp ${llamaVersion}, found: ${text}`);
  }
}
