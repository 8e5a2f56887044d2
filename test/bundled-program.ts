// Bundles a small TypeScript program of the tests, which they run in a process of its own.
import { basename, join, resolve } from "node:path";
import { build } from "esbuild";

const folder = resolve(import.meta.dirname, "../node_modules/.cache");

/** Bundles `entry`; packages with native code are loaded from node_modules. @returns the path of the program */
export async function bundledProgram(entry: string): Promise<string> {
  const program = join(folder, `${basename(entry, ".ts")}.cjs`);
  await build({
    entryPoints: [entry],
    outfile: program,
    bundle: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    external: ["faiss-node", "onnxruntime-node"],
    logLevel: "error",
  });
  return program;
}
