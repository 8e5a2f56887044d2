// Converts a GGUF file into a model package, in a temporary folder that is renamed when complete: there is never half a model.
import { copyFile, mkdir, open, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import * as v from "valibot";
import { errorCode } from "../host/errors";
import { digestOf } from "../host/file-hashes";
import type { ModelFolders } from "../host/locations";
import { makeFolder } from "../host/make-folder";
import { loadModelPackage } from "../inference/package/model-package";
import { type Catalogue, modelName, readCatalogue } from "./catalogue";
import { megabytes } from "./download/download-error";
import { freeBytes, spareBytes } from "./download/free-space";
import { type Fitting, fittingRecipe } from "./fitting-recipe";
import { GgufFile } from "./gguf-file";
import { installedModels, manifestFile, removeLeftovers, scratchName } from "./model-folders";
import { isCurrent } from "./outdated";
import { type Digest, loadRecipe, type Variant } from "./recipe";
import { bytesOf, findParts, numbersOf, writeWeights } from "./weights-file";

export interface AddOptions {
  /** Path of the GGUF file. */
  readonly file: string;
  /** Name for a file that is not in the catalogue; default: the file's. */
  readonly name?: string | undefined;
  /** What the file must be, for a model of the catalogue; default: any file. */
  readonly sha256?: string | undefined;
  readonly folders: ModelFolders;
  /** Whether this processor adds products of 8-bit numbers exactly: decides which variant of the weights is written. */
  readonly exactProducts: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (step: AddStep, done: number, total: number) => void;
}

/** Steps of the conversion: hashing the file (bytes), writing the weights (numbers), hashing what was written (files). */
export type AddStep = "reading" | "converting" | "checking";

/** What a file becomes. */
interface Target {
  readonly name: string;
  /** Whether the file is the catalogue's. */
  readonly catalogued: boolean;
  readonly variant: Variant;
  /** Of the GGUF file. */
  readonly sha256: string;
}

export interface AddedModel extends Target {
  readonly folder: string;
  /** Name of the model of the catalogue whose graph it uses. */
  readonly model: string;
  /** Of the package on disk. */
  readonly bytes: number;
  /** The files that were converted from the GGUF file. */
  readonly written: Readonly<Record<string, Digest>>;
  /** Whether it existed already and nothing was written. */
  readonly present: boolean;
}

/** The file is sound, but cannot be added. The message says what was expected, what was found and what to do. */
export class AddModelError extends Error {
  override readonly name = "AddModelError";
}

/**
 * Converts a GGUF file into a package in the user's folder of models. A kill at any instant leaves the old state or, when a
 * model of this name is being replaced, none of this name.
 * @throws GgufError for a file that cannot be used; AddModelError when the name or the disk does not allow it; the signal's reason when it is aborted.
 */
export async function addModel(options: AddOptions): Promise<AddedModel> {
  const { folders, signal, onProgress } = options;
  const catalogue = readCatalogue(folders.packaged);
  const gguf = await GgufFile.open(options.file);
  try {
    const fitting = await fittingRecipe(gguf, catalogue, folders.packaged);
    const sha256 = await gguf.sha256(signal, (done) => onProgress?.("reading", done, gguf.bytes));
    if (options.sha256 !== undefined && sha256 !== options.sha256)
      throw new AddModelError(
        `${options.file}: expected SHA-256 ${options.sha256}, found ${sha256}: it is another file. "model add ${options.file}" makes a model of its own out of it.`,
      );
    const source = catalogue.get(fitting.model)?.source;
    const catalogued = sha256 === source?.sha256;
    const name = catalogued ? fitting.model : freeName(options, catalogue);
    const target: Target = { name, catalogued, sha256, variant: variantOf(options.exactProducts) };
    await makeFolder(folders.installed, 0o700);
    await removeLeftovers(folders);
    const present = await findPresent(fitting, target, folders);
    const files = present ?? (await convert(gguf, fitting, target, options));
    return addedModel(fitting, target, files, { folders, present: present !== undefined });
  } finally {
    await gguf.close();
  }
}

/** A model of the catalogue, when it is on this machine as {@link addModel} would make it now. */
export async function alreadyAdded(
  model: string,
  folders: ModelFolders,
  exactProducts: boolean,
): Promise<AddedModel | undefined> {
  const known = readCatalogue(folders.packaged).get(model);
  if (known?.source === undefined) return undefined;
  const folder = join(folders.packaged, known.package);
  const fitting = { ...(await loadRecipe(folder)), model, folder };
  const { sha256 } = known.source;
  const target: Target = { name: model, catalogued: true, sha256, variant: variantOf(exactProducts) };
  const files = await findPresent(fitting, target, folders);
  return files && addedModel(fitting, target, files, { folders, present: true });
}

function addedModel(
  { recipe, model }: Fitting,
  target: Target,
  files: Files,
  { folders, present }: { readonly folders: ModelFolders; readonly present: boolean },
): AddedModel {
  return {
    ...target,
    folder: join(folders.installed, target.name),
    model,
    bytes: sizeOf(files),
    written: Object.fromEntries(Object.entries(files).filter(([file]) => file in recipe.files)),
    present,
  };
}

function variantOf(exactProducts: boolean): Variant {
  return exactProducts ? "int8" : "int7";
}

/** The files of a package, by name. */
type Files = Readonly<Record<string, Digest>>;

/** @throws AddModelError for a name that no model can have. @param advice what to do about it */
export function checkName(name: string, advice: string): void {
  if (!v.is(modelName, name))
    throw new AddModelError(
      `Expected a name of up to 100 lower-case letters, digits, dots, dashes and underscores, found ${JSON.stringify(name)}. ${advice}`,
    );
}

/** The name for a file that is not in the catalogue. */
function freeName({ file, name }: AddOptions, catalogue: Catalogue): string {
  const wanted =
    name ??
    basename(file)
      .replace(/\.gguf$/i, "")
      .toLowerCase()
      .replace(/[^a-z0-9._-]+/g, "-")
      .slice(0, 100)
      .replace(/^[._-]+|[._-]+$/g, "");
  checkName(wanted, "Give one with --name.");
  if (catalogue.has(wanted))
    throw new AddModelError(
      `Expected a name that is not in the catalogue, since ${file} is not its file, found ${wanted}. Give another one with --name.`,
    );
  return wanted;
}

/**
 * The files of the installed model, when it is the same as a new conversion would make.
 * @throws AddModelError when another model has its name
 */
async function findPresent(
  { recipe }: Fitting,
  { name, catalogued, sha256, variant }: Target,
  folders: ModelFolders,
): Promise<Files | undefined> {
  const found = (await installedModels(folders)).find((each) => each.name === name);
  if (found?.manifest === undefined) return undefined;
  const { source, files } = found.manifest;
  if (source?.sha256 !== sha256 && !catalogued)
    throw new AddModelError(
      `Expected a name that no model has, found ${name} converted from ${source?.file ?? "another file"}. Remove it first ("model remove ${name}"), or give another name with --name.`,
    );
  if (source?.sha256 !== sha256 || source.variant !== variant || !isCurrent(found.manifest, recipe)) return undefined;
  try {
    await loadModelPackage(found.folder);
  } catch {
    // Damaged: it is converted again.
    return undefined;
  }
  return files;
}

async function convert(gguf: GgufFile, fitting: Fitting, target: Target, options: AddOptions): Promise<Files> {
  const { recipe, factors, folder: template, model } = fitting;
  const { folders, signal, onProgress } = options;
  const { name, catalogued, sha256, variant } = target;
  const files = await Promise.all(
    Object.entries(recipe.files).map(async ([file, each]) => ({ file, each, parts: await findParts(gguf, each) })),
  );
  const size = sizeOf(recipe.manifest.files) + files.reduce((sum, { each }) => sum + bytesOf(each), 0);
  await checkSpace(folders.installed, size);
  const scratch = join(folders.installed, scratchName("adding"));
  await mkdir(scratch, { mode: 0o700 });
  try {
    await copyTemplate(template, scratch, recipe.manifest.files, signal);
    const total = files.reduce((sum, { parts }) => sum + numbersOf(parts), 0);
    const written: Record<string, Digest> = {};
    let before = 0;
    for (const { file, parts } of files) {
      await writeWeights(join(scratch, file), parts, {
        gguf,
        factors,
        maxCode: recipe.variants[variant].codes,
        signal,
        onProgress: (done) => onProgress?.("converting", before + done, total),
      });
      before += numbersOf(parts);
    }
    await gguf.checkUnchanged();
    for (const [done, { file, each }] of files.entries()) {
      onProgress?.("checking", done, files.length);
      const digest = await digestOf(join(scratch, file), signal);
      written[file] = digest;
      const pinned = each.pinned[variant];
      if (catalogued && digest.sha256 !== pinned.sha256)
        throw new AddModelError(
          `${file}: expected SHA-256 ${pinned.sha256} of ${model} (${variant}), found ${digest.sha256}. Nothing was added; please report this with the processor's name.`,
        );
    }
    const manifest = {
      ...recipe.manifest,
      name,
      files: { ...recipe.manifest.files, ...written },
      source: { file: basename(gguf.path), bytes: gguf.bytes, sha256, model, catalogued, variant },
    };
    await writeSynced(join(scratch, manifestFile), `${JSON.stringify(manifest, undefined, 2)}\n`);
    // Checks sizes and the manifest; the hashes were computed above.
    await loadModelPackage(scratch, { verifyHashes: false });
    signal?.throwIfAborted();
    await moveIntoPlace(scratch, join(folders.installed, name), folders);
    return manifest.files;
  } catch (error) {
    await rm(scratch, { recursive: true, force: true, maxRetries: 3 });
    if (errorCode(error) === "ENOSPC")
      throw new AddModelError(
        `${folders.installed}: expected ${megabytes(size)} of free disk space, found the disk full. Make room and try again; nothing was added.`,
        { cause: error },
      );
    throw error;
  }
}

/** Gives a complete package its name. A package that has the name is renamed first, and deleted at the end. */
async function moveIntoPlace(scratch: string, folder: string, { installed }: ModelFolders): Promise<void> {
  const old = join(installed, scratchName("removed"));
  await rename(folder, old).catch((error: unknown) => {
    const code = errorCode(error);
    if (code === "ENOENT") return;
    throw new AddModelError(
      `${folder}: expected a model that can be replaced, found it in use (${code}). Close the windows that use it and try again.`,
      { cause: error },
    );
  });
  await rename(scratch, folder).catch(async (error: unknown) => {
    await rename(old, folder).catch(() => undefined);
    throw error;
  });
  await rm(old, { recursive: true, force: true, maxRetries: 3 });
}

async function copyTemplate(from: string, to: string, files: Files, signal: AbortSignal | undefined): Promise<void> {
  for (const [file, expected] of Object.entries(files)) {
    await copyFile(join(from, file), join(to, file));
    const found = await digestOf(join(to, file), signal);
    if (found.sha256 !== expected.sha256)
      throw new AddModelError(
        `${join(from, file)}: expected SHA-256 ${expected.sha256}, found ${found.sha256}. Install the extension again.`,
      );
  }
}

async function checkSpace(folder: string, size: number): Promise<void> {
  const free = await freeBytes(folder);
  if (free < size + spareBytes)
    throw new AddModelError(
      `${folder}: expected ${megabytes(size + spareBytes)} of free disk space, found ${megabytes(free)}. Make room and try again; nothing was added.`,
    );
}

async function writeSynced(path: string, content: string): Promise<void> {
  const file = await open(path, "wx");
  try {
    await writeFile(file, content);
    await file.sync();
  } finally {
    await file.close();
  }
}

function sizeOf(files: Readonly<Record<string, { readonly bytes: number }>>): number {
  return Object.values(files).reduce((sum, { bytes }) => sum + bytes, 0);
}
