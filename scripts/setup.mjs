// Sets up a fresh clone: dependencies, native addon, bundles and VSIX. Steps whose inputs are unchanged are skipped.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { execute, say, step } from "./report.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamps = join(root, ".cache", "setup");
/** The packaged extension. */
export const vsix = join(root, "dist", "selfracg-code.vsix");

/**
 * Fingerprint of files and folders by path, size and modification time.
 * @param {readonly string[]} paths relative to the root
 */
async function fingerprint(paths) {
  const hash = createHash("sha256");
  /** @param {string} path */
  async function visit(path) {
    const absolute = join(root, path);
    if (!existsSync(absolute)) return;
    const entry = await stat(absolute);
    if (entry.isDirectory()) {
      for (const name of (await readdir(absolute)).sort()) {
        if (name !== "__pycache__" && !name.startsWith(".")) await visit(join(path, name));
      }
    } else hash.update(`${path}\0${entry.size}\0${entry.mtimeMs}\n`);
  }
  for (const path of paths) await visit(path);
  return hash.digest("hex");
}

/**
 * Runs `work` unless it was done for the same inputs and `output` exists.
 * @param {{id: string, name: string, inputs: readonly string[], output: string, work: () => Promise<void>}} job
 */
async function once({ id, name, inputs, output, work }) {
  const stamp = join(stamps, id);
  const now = await fingerprint(inputs);
  const before = existsSync(stamp) ? await readFile(stamp, "utf8") : "";
  if (before === now && existsSync(join(root, output))) return;
  await step(name, work);
  await mkdir(stamps, { recursive: true });
  await writeFile(stamp, await fingerprint(inputs));
}

/** Downloads the GPU libraries if this machine has a GPU. A failed download is not an error. */
async function cudaProvider() {
  try {
    await execute("nvidia-smi", ["-L"], { timeoutMs: 10_000 });
  } catch {
    return;
  }
  const folder = join(root, "node_modules", "onnxruntime-node");
  try {
    await step("CUDA provider of ONNX Runtime (an NVIDIA GPU was found)", async () => {
      await execute(process.execPath, [join(folder, "script", "install.js"), "--onnxruntime-node-install=cuda12"], {
        cwd: folder,
        timeoutMs: 300_000,
      });
    });
  } catch {
    say("  The CUDA provider could not be downloaded (is its host reachable?); completions run on the CPU.");
  }
}

/**
 * Does all steps that a command needs. The command line and the benchmarks need no VSIX.
 * @param {{vsix?: boolean}} [options]
 */
export async function setup(options = {}) {
  const major = Number(process.versions.node.split(".")[0]);
  if (major < 20)
    throw new Error(
      `Node 20 or newer is needed; this is Node ${process.versions.node}. Install a newer one and run the command again.`,
    );
  await once({
    id: "dependencies",
    name: "Dependencies from the npm registry",
    inputs: ["package-lock.json", ".npmrc"],
    output: "node_modules/.package-lock.json",
    work: async () => {
      await execute("npm", ["ci", "--no-audit", "--no-fund"], { cwd: root });
      await cudaProvider();
    },
  });
  const { buildFaiss } = await import("./build-faiss.mjs");
  await buildFaiss();
  const code = [
    "extension",
    "sidecar",
    "test/bench",
    "test/eval",
    "esbuild.config.mjs",
    "scripts/notices",
    "package-lock.json",
    "node_modules/faiss-node/build/Release",
  ];
  await once({
    id: "bundles",
    name: "Bundles",
    inputs: code,
    output: "dist/sidecar.js",
    work: async () => {
      const { bundle } = await import("../esbuild.config.mjs");
      await bundle();
    },
  });
  if (options.vsix !== true) return;
  await once({
    id: "vsix",
    name: "VSIX",
    inputs: [
      ...code,
      "package.json",
      "media",
      "models/catalogue.json",
      "models/qwen2.5-coder-0.5b",
      "models/qwen2.5-coder-1.5b",
      "models/default",
      "README.md",
      "CHANGELOG.md",
      "LICENSE",
      ".vscodeignore",
    ],
    output: "dist/selfracg-code.vsix",
    work: async () => {
      const vsce = join(root, "node_modules", "@vscode", "vsce", "vsce");
      const target = `${process.platform === "win32" ? "win32" : process.platform}-${process.arch}`;
      await execute(process.execPath, [vsce, "package", "--target", target, "--out", vsix], { cwd: root });
    },
  });
}
