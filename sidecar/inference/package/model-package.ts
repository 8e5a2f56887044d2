// Reads a model package (model.json and the files it lists), and checks that its files are as stated.

import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import * as v from "valibot";
import { firstLine } from "../../host/errors";
import { FileHashes } from "../../host/file-hashes";
import { vocabulary } from "../vocabulary";
import { externalDataLocations } from "./external-data";
import { type ModelManifest, readManifest } from "./model-manifest";
import { ModelPackageError, reinstall } from "./model-package-error";

/** A checked model package: its manifest and its paths. */
export interface ModelPackage extends ModelManifest {
  /** Absolute path of the folder. */
  readonly directory: string;
  /** Absolute path of model.onnx. */
  readonly graphPath: string;
  /** Absolute path of tokenizer.json. */
  readonly tokenizerPath: string;
  /**
   * SHA-256, as 64 hexadecimal digits, of everything an expression depends on (graph, external weights, tokenizer, prompt,
   * retrieval): vectors of a model with another hash cannot be compared.
   */
  readonly hash: string;
}

export interface LoadOptions {
  /** Whether to check the SHA-256 of every file (default: true). Presence and size are always checked. */
  readonly verifyHashes?: boolean;
  /** File that caches the hashes of large files; default: every file is read every time. */
  readonly hashesPath?: string;
}

const graphFile = "model.onnx";
const tokenizerFile = "tokenizer.json";

/**
 * Reads and checks the model package in `directory`.
 * @throws ModelPackageError for a missing or unreadable file, an unknown format, a wrong size or SHA-256, values that are out of
 * bounds or contradict each other, or a graph that reads weights from a file that is not listed.
 */
export async function loadModelPackage(directory: string, options: LoadOptions = {}): Promise<ModelPackage> {
  const folder = resolve(directory);
  const manifest = await readManifest(folder);
  const listed = Object.keys(manifest.files);
  for (const required of [graphFile, tokenizerFile]) {
    if (!listed.includes(required)) {
      throw new ModelPackageError(
        `${join(folder, "model.json")}: expected "${required}" among files, found ${listed.join(", ") || "none"}. ${reinstall}`,
      );
    }
  }
  const hashes = options.verifyHashes === false ? undefined : await FileHashes.open(options.hashesPath);
  for (const [name, { bytes, sha256 }] of Object.entries(manifest.files)) {
    await checkSize(join(folder, name), bytes);
    if (hashes !== undefined) await checkHash(join(folder, name), sha256, hashes);
  }
  await hashes?.save();
  const graphPath = join(folder, graphFile);
  const externalFiles = await readExternalFiles(graphPath, listed);
  const tokenizerPath = join(folder, tokenizerFile);
  await checkTokenizer(tokenizerPath, manifest);
  return {
    ...manifest,
    directory: folder,
    graphPath,
    tokenizerPath,
    hash: packageHash(manifest, externalFiles),
  };
}

async function checkSize(path: string, bytes: number): Promise<void> {
  let size: number;
  try {
    const found = await stat(path);
    if (!found.isFile()) throw new Error("not a file");
    size = found.size;
  } catch (error) {
    throw new ModelPackageError(
      `${path}: expected a file of ${bytes} bytes, found none (${firstLine(error)}). ${reinstall}`,
      { cause: error },
    );
  }
  if (size !== bytes) throw new ModelPackageError(`${path}: expected ${bytes} bytes, found ${size}. ${reinstall}`);
}

async function checkHash(path: string, sha256: string, hashes: FileHashes): Promise<void> {
  const found = await hashes.sha256(path).catch((error: unknown) => {
    throw new ModelPackageError(
      `${path}: expected a readable file, found an error (${firstLine(error)}). ${reinstall}`,
      { cause: error },
    );
  });
  if (found !== sha256)
    throw new ModelPackageError(
      `${path}: expected SHA-256 ${sha256}, found ${found}. The file was changed or damaged. ${reinstall}`,
    );
}

/**
 * The files with the graph's external weights. All are among `listed`, whose names have no folders, so that none lies outside
 * the package.
 */
async function readExternalFiles(graphPath: string, listed: readonly string[]): Promise<string[]> {
  let locations: ReadonlySet<string>;
  try {
    locations = externalDataLocations(await readFile(graphPath));
  } catch (error) {
    throw new ModelPackageError(
      `${graphPath}: expected an ONNX graph, found something else (${firstLine(error)}). ${reinstall}`,
      { cause: error },
    );
  }
  for (const location of locations) {
    if (!listed.includes(location))
      throw new ModelPackageError(
        `${graphPath}: expected weights in this file or in those of model.json (${listed.join(", ")}), found ${JSON.stringify(location)}. ` +
          "List it there with its size and SHA-256, or install the model package again.",
      );
  }
  return [...locations].sort();
}

const tokenizerSchema = v.looseObject({
  added_tokens: v.array(v.looseObject({ id: v.pipe(v.number(), v.integer(), v.minValue(0)), content: v.string() })),
  model: v.looseObject({ vocab: vocabulary }),
});

async function checkTokenizer(path: string, manifest: ModelManifest): Promise<void> {
  let value: unknown;
  try {
    value = JSON.parse(await readFile(path, "utf8"));
  } catch (error) {
    throw new ModelPackageError(
      `${path}: expected a tokenizer in Hugging Face's JSON, found something else (${firstLine(error)}). ${reinstall}`,
      { cause: error },
    );
  }
  const parsed = v.safeParse(tokenizerSchema, value);
  if (!parsed.success)
    throw new ModelPackageError(
      `${path}: expected added_tokens and model.vocab, found ${parsed.issues[0].message}. ${reinstall}`,
    );
  const known = new Map(parsed.output.added_tokens.map((token) => [token.content, token.id]));
  const { specialTokens, prompt, architecture } = manifest;
  for (const token of new Set([
    specialTokens.endOfText,
    specialTokens.pad,
    ...prompt.stopTokens,
    ...specialsOf(manifest),
  ])) {
    if (!known.has(token))
      throw new ModelPackageError(
        `${path}: expected the special token ${token}, found ${[...known.keys()].join(" ") || "none"}. ${reinstall}`,
      );
  }
  let highest = 0;
  for (const id of known.values()) highest = Math.max(highest, id);
  for (const id of Object.values(parsed.output.model.vocab)) highest = Math.max(highest, id);
  if (highest >= architecture.vocabularySize) {
    throw new ModelPackageError(
      `${path}: expected token ids below architecture.vocabularySize ${architecture.vocabularySize}, found ${highest}. ${reinstall}`,
    );
  }
}

/** The special tokens of the templates: by convention of the format, text between `<|` and `|>`. */
function specialsOf({ prompt }: ModelManifest): string[] {
  return [prompt.fragment, prompt.leftToRight, prompt.fillInMiddle ?? [], prompt.query, prompt.fragmentEmbedding]
    .flat()
    .filter((piece) => /^<\|\w+\|>$/.test(piece));
}

function packageHash({ files, prompt, retrieval }: ModelManifest, externalFiles: readonly string[]): string {
  // Null score and null vector only decide which fragments are used, not their vectors.
  const { nullScore: _, nullVector: __, ...space } = retrieval;
  const external = externalFiles.map((name) => [name, files[name]?.sha256]);
  return createHash("sha256")
    .update(JSON.stringify([files[graphFile]?.sha256, files[tokenizerFile]?.sha256, prompt, space, ...external]))
    .digest("hex");
}
