// `npm run generate`: makes the sources that are generated from others; a test fails while they are stale.
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import wabt from "wabt";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** @returns {Promise<string>} the TypeScript source that holds the scan kernel of the vector index as WebAssembly */
async function scanKernel() {
  const name = "sidecar/workspace/vectors/scan-kernel.wat";
  const { parseWat } = await wabt();
  const module = parseWat(name, await readFile(join(root, name), "utf8"), { simd: true });
  try {
    const { buffer } = module.toBinary({});
    return `// Generated from scan-kernel.wat by \`npm run generate\`: the module in WebAssembly's binary format, in base64.
export const scanKernelModule =
  "${Buffer.from(buffer).toString("base64")}";
`;
  } finally {
    module.destroy();
  }
}

/** What each generated file should hold, by its path from the root. @returns {Promise<Record<string, string>>} */
export async function generated() {
  return { "sidecar/workspace/vectors/scan-kernel.generated.ts": await scanKernel() };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  for (const [path, content] of Object.entries(await generated())) await writeFile(join(root, path), content);
}
