// GGUF files on this machine: the cache of downloaded files, and the file that a model package was converted from.
import { createHash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { readManifest } from "../../sidecar/inference/package/model-manifest";

/** The folder of files that tests have downloaded or the user has copied there. */
export const modelFileCache = join(homedir(), ".cache", "selfracg-test-files");

export interface ModelFile {
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** Whether `path` exists and has the size and hash of this file. */
export async function isWhole(path: string, { bytes, sha256 }: Omit<ModelFile, "file">): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (found?.size !== bytes) return false;
  const hash = createHash("sha256");
  for await (const block of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(block);
  return hash.digest("hex") === sha256;
}

/**
 * The GGUF file with the weights of a package. The model.json of a converted package names its file with the
 * hash, which is searched for in `given` and in {@link modelFileCache}. For another package it is `given`, or a file
 * beside the package's folder, with the folder's name and `.gguf`.
 * @param given path of a file; undefined: none was given
 * @returns the path, or why there is none
 * @throws Error when `given` is not the file that the package was converted from
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
