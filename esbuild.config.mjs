// Bundles extension, sidecar, benchmarks and evaluation into dist/, and copies native packages and grammars there.

import { existsSync } from "node:fs";
import { cp, mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build, context } from "esbuild";
import { writeNotices } from "./scripts/notices/collect.mjs";

const root = dirname(fileURLToPath(import.meta.url));
const dist = join(root, "dist");
const modules = join(root, "node_modules");
/** Packages with native code, loaded at run time from dist/node_modules. */
const native = ["onnxruntime-node", "faiss-node", "@photostructure/sqlite"];

/** Entries of worker threads. */
const workers = {
  "inference-worker": "sidecar/inference/worker/worker.ts",
  "store-worker": "sidecar/workspace/store/store-worker.ts",
};

/** Copies the files that native packages need at run time on this platform. */
async function copyNative() {
  const target = join(dist, "node_modules");
  await rm(target, { recursive: true, force: true });
  const onnx = join("onnxruntime-node", "bin");
  const binaries = join(modules, onnx);
  for (const abi of await readdir(binaries)) {
    const platform = join(abi, process.platform, process.arch);
    if (!existsSync(join(binaries, platform))) continue;
    await cp(join(binaries, platform), join(target, onnx, platform), { recursive: true });
  }
  for (const part of ["package.json", "dist"]) {
    await cp(join(modules, "onnxruntime-node", part), join(target, "onnxruntime-node", part), {
      recursive: true,
      filter: neededAtRunTime,
    });
  }
  for (const part of ["package.json", join("dist", "cjs")]) {
    await cp(join(modules, "onnxruntime-common", part), join(target, "onnxruntime-common", part), {
      recursive: true,
      filter: neededAtRunTime,
    });
  }
  const sqlite = join("@photostructure", "sqlite");
  const prebuilt = join("prebuilds", `${process.platform}-${process.arch}`);
  for (const part of ["package.json", "LICENSE", join("dist", "index.cjs"), prebuilt])
    if (existsSync(join(modules, sqlite, part)))
      await cp(join(modules, sqlite, part), join(target, sqlite, part), { recursive: true, filter: noMusl });
  for (const part of ["package.json", "LICENSE", "index.js", "node-gyp-build.js"])
    await cp(join(modules, "node-gyp-build", part), join(target, "node-gyp-build", part));
  // Without its addon, FAISS is not copied. The sidecar logs that and searches without it.
  if (existsSync(join(modules, "faiss-node", "build", "Release", "faiss-node.node"))) {
    const parts = {
      "faiss-node": ["package.json", "LICENSE", join("lib", "index.js"), join("build", "Release")],
      bindings: ["package.json", "LICENSE.md", "bindings.js"],
      "file-uri-to-path": ["package.json", "LICENSE", "index.js"],
    };
    for (const [name, files] of Object.entries(parts)) {
      for (const part of files) {
        await cp(join(modules, name, part), join(target, name, part), { recursive: true, filter: neededAtRunTime });
      }
    }
  }
}

/** Excludes source maps, types and the records of FAISS's build. @param {string} path */
function neededAtRunTime(path) {
  return !/\.(map|ts)$|[\\/]libraries\.json$/.test(path);
}

/** Excludes binaries for musl: ONNX Runtime only supports glibc. @param {string} path */
function noMusl(path) {
  return !path.endsWith(".musl.node");
}

/** Copies tree-sitter's runtime and the grammars that the sidecar's bundle names into one folder. */
async function copyGrammars() {
  const named = new Set((await readFile(join(dist, "sidecar.js"), "utf8")).match(/\btree-sitter-[-\w]+\.wasm/g));
  const target = join(dist, "grammars");
  await rm(target, { recursive: true, force: true });
  await mkdir(target, { recursive: true });
  const source = join(modules, "@vscode", "tree-sitter-wasm", "wasm");
  for (const name of await readdir(source)) {
    if (named.delete(name)) await cp(join(source, name), join(target, name));
  }
  if (named.size > 0)
    throw new Error(`Expected all grammars in ${source}, found no ${[...named].join(", ")}. Run npm ci again.`);
  await cp(join(modules, "web-tree-sitter", "web-tree-sitter.wasm"), join(target, "web-tree-sitter.wasm"));
}

/** @type {import("esbuild").BuildOptions} */
const shared = {
  bundle: true,
  platform: "node",
  target: "node20",
  format: "cjs",
  sourcemap: "linked",
  legalComments: "external",
  metafile: true,
  logLevel: "warning",
  absWorkingDir: root,
};

/** Bundles only the worker threads, for tests that run from source. Each file is replaced atomically. */
export async function bundleWorkers() {
  await mkdir(dist, { recursive: true });
  for (const [name, entry] of Object.entries(workers)) {
    const made = join(dist, `${name}.${process.pid}.js`);
    await build({
      ...shared,
      sourcemap: "inline",
      legalComments: "none",
      entryPoints: [entry],
      outfile: made,
      external: native,
    });
    await rename(made, join(dist, `${name}.js`));
  }
}

/** Bundles for measurements, which do not ship. */
const measuring = ["dist/bench.js", "dist/eval.js"];

/** @type {readonly import("esbuild").BuildOptions[]} */
const bundles = [
  { ...shared, entryPoints: { extension: "extension/main.ts" }, outdir: "dist", external: ["vscode"] },
  {
    ...shared,
    alias: { "web-tree-sitter": join(modules, "web-tree-sitter", "web-tree-sitter.cjs") },
    entryPoints: {
      sidecar: "sidecar/main.ts",
      cli: "sidecar/cli.ts",
      uninstall: "sidecar/uninstall.ts",
      ...workers,
      bench: "test/bench/bench.ts",
      eval: "test/eval/eval.ts",
    },
    outdir: "dist",
    external: native,
  },
];

/** Rebuilds dist/, except for files of other steps. */
export async function bundle() {
  await mkdir(dist, { recursive: true });
  const [results] = await Promise.all([Promise.all(bundles.map((options) => build(options))), copyNative()]);
  await copyGrammars();
  const metafiles = results.flatMap(({ metafile }) => (metafile === undefined ? [] : [metafile]));
  const outputs = metafiles.flatMap((metafile) => Object.keys(metafile.outputs));
  await writeNotices({ root, dist, metafiles, outputs: outputs.filter((output) => !measuring.includes(output)) });
}

/** Builds dist/, and bundles again after every change of a source until the process is ended. */
async function watch() {
  await bundle();
  for (const options of bundles) {
    const bundler = await context({ ...options, logLevel: "info" });
    await bundler.watch();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href)
  await (process.argv.includes("--watch") ? watch() : bundle());
