// GGUF files on this machine: where tests and benchmarks keep those that were fetched, and which one a model package was made of.
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { readManifest } from "../../sidecar/inference/package/model-manifest";

/** Files that tests have fetched; also files that somebody put there. */
export const modelFileCache = join(homedir(), ".cache", "selfracg-test-files");

export interface ModelFile {
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** Whether `path` is this very file; false where there is none. */
export async function isWhole(path: string, { bytes, sha256 }: Omit<ModelFile, "file">): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (found?.size !== bytes) return false;
  const hash = createHash("sha256");
  for await (const block of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(block);
  return hash.digest("hex") === sha256;
}

/**
 * The GGUF file with the weights of a package. A converted package does not keep its file; its model.json names it, with its
 * hash, and it is looked for in `given` and in {@link modelFileCache}. For a package made otherwise it is `given`, or a file
 * beside the package's folder, called as that with `.gguf` behind it.
 * @param given path of a file; undefined: none was named
 * @returns the path, or why there is none
 * @throws Error where `given` is another file than the package was made of
 */
export async function ggufOf(
  modelPath: string,
  given: string | undefined,
): Promise<{ readonly path: string } | { readonly missing: string }> {
  const { source } = await readManifest(modelPath);
  if (source === undefined) {
    const beside = `${modelPath}.gguf`;
    if (given !== undefined) return { path: given };
    if (existsSync(beside)) return { path: beside };
    return { missing: "this model was not made of a GGUF file; give one with the same weights as --gguf" };
  }
  if (given !== undefined) {
    if (await isWhole(given, source)) return { path: given };
    throw new Error(
      `--gguf: expected ${source.file} with SHA-256 ${source.sha256}, which ${modelPath} was made of, found another file, or none, at ${given}. Give that file, or leave the option out.`,
    );
  }
  const cached = join(modelFileCache, source.file);
  return (await isWhole(cached, source)) ? { path: cached } : { missing: `give ${source.file} as --gguf` };
}
