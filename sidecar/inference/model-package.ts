// Reads a model package (model.json and the files it lists) and refuses it where anything is not as stated.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import * as v from "valibot";
import { vocabulary } from "./tokenizer";

/** The one format of model.json this build reads. */
export const supportedFormatVersion = 3;

const probability = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const count = v.pipe(v.number(), v.integer(), v.minValue(1));
const finite = v.pipe(v.number(), v.finite());
const text = v.pipe(v.string(), v.minLength(1));
const template = v.pipe(v.array(v.string()), v.minLength(1));
/** Files are named, never addressed: no folder in a name can lead out of the package. */
const fileName = v.pipe(
  v.string(),
  v.check((name) => /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name), "a plain file name"),
);

const manifestSchema = v.strictObject({
  formatVersion: v.literal(supportedFormatVersion),
  name: text,
  version: text,
  licence: text,
  architecture: v.strictObject({
    type: text,
    hiddenSize: count,
    layers: count,
    queryHeads: count,
    keyValueHeads: count,
    headDim: count,
    intermediateSize: count,
    vocabularySize: count,
    parameters: count,
  }),
  /** How the matrices lie in the file, and in what they compute; keys and values are float16 where that is float16, and such a graph can go on by itself. */
  weights: v.optional(
    v.strictObject({
      stored: v.picklist(["float16", "float32", "int8"]),
      computed: v.picklist(["float32", "float16", "int8"]),
    }),
  ),
  contextLength: v.pipe(v.number(), v.integer(), v.minValue(64)),
  specialTokens: v.strictObject({ endOfText: text, pad: text }),
  prompt: v.strictObject({
    fragment: template,
    leftToRight: template,
    /** Left out by a model that completes better without the code behind the cursor. */
    fillInMiddle: v.optional(template),
    query: template,
    fragmentEmbedding: template,
    fragmentOrder: v.picklist(["best-last", "best-first"]),
    stopTokens: v.pipe(v.array(text), v.minLength(1)),
    maxPathTokens: count,
  }),
  retrieval: v.strictObject({
    dimension: count,
    /** Whether each layer's expression goes through the layer's output projection; absent: no. */
    outputProjection: v.optional(v.boolean()),
    normalised: v.boolean(),
    rank: count,
    alpha: v.pipe(v.number(), v.gtValue(0)),
    adapters: v.picklist(["separate", "shared"]),
    /** A fragment that scores lower than this, plus the need's product with `nullVector` where there is one, is not needed. */
    nullScore: finite,
    /** The expression of a context that needs nothing from elsewhere, as many numbers as `dimension`. */
    nullVector: v.optional(v.array(finite)),
    queryTokens: count,
    /** Most tokens of import statements in the query, on top of `queryTokens`; absent: none. */
    importTokens: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
    fragmentTokens: count,
  }),
  /**
   * How likely the first line of a suggestion is right, by a logistic map of what is known of it, and from what likelihood on
   * it is shown; absent: nothing is held back for being unsure. `npm run bench -- confidence` prints it.
   */
  confidence: v.optional(
    v.strictObject({
      weights: v.strictObject({
        constant: finite,
        /** Of the suggestion's tokens, natural logarithm. */
        meanLogProbability: finite,
        /** Natural logarithm of the number of tokens of the first line. */
        logFirstLineTokens: finite,
        /** 1 where the suggestion makes a new syntax error, else 0. */
        syntaxError: finite,
      }),
      /** By the setting `selfracg.frequency`. */
      thresholds: v.strictObject({ more: probability, balanced: probability, fewer: probability }),
    }),
  ),
  files: v.record(
    fileName,
    v.strictObject({
      bytes: v.pipe(v.number(), v.integer(), v.minValue(0)),
      sha256: v.pipe(
        v.string(),
        v.check((digits) => /^[0-9a-f]{64}$/.test(digits), "64 lower-case hexadecimal digits"),
      ),
    }),
  ),
});

/** model.json as written. */
export type ModelManifest = v.InferOutput<typeof manifestSchema>;

/** A checked model package: its manifest, and where it lies. */
export interface ModelPackage extends ModelManifest {
  /** Absolute path of the folder. */
  readonly directory: string;
  /** Absolute path of model.onnx. */
  readonly graphPath: string;
  /** Absolute path of tokenizer.json. */
  readonly tokenizerPath: string;
  /**
   * 64 hexadecimal digits over all that an expression depends on (graph, tokenizer, prompt, retrieval): vectors made
   * under another hash are of another space and of no use.
   */
  readonly hash: string;
}

/** A model package that is refused. The message says which file, what was expected, what was found and what to do. */
export class ModelPackageError extends Error {
  override readonly name = "ModelPackageError";
}

export interface LoadOptions {
  /** Read every file through SHA-256 (default). Without it, presence and size are still checked. */
  readonly verifyHashes?: boolean;
}

const graphFile = "model.onnx";
const tokenizerFile = "tokenizer.json";
const reinstall = "Install the model package again, or set selfracg.modelPath to a complete one.";

/**
 * Reads and checks the model package in `directory`.
 * @throws ModelPackageError for a missing or unreadable file, an unknown format, a wrong size or SHA-256, or numbers that contradict each other.
 */
export async function loadModelPackage(directory: string, options: LoadOptions = {}): Promise<ModelPackage> {
  const folder = resolve(directory);
  const manifest = parseManifest(join(folder, "model.json"), await readManifest(folder));
  for (const required of [graphFile, tokenizerFile]) {
    if (manifest.files[required] === undefined) {
      throw new ModelPackageError(
        `${join(folder, "model.json")}: expected "${required}" among files, found ${Object.keys(manifest.files).join(", ") || "none"}. ${reinstall}`,
      );
    }
  }
  for (const [name, { bytes, sha256 }] of Object.entries(manifest.files)) {
    await checkFile(join(folder, name), bytes, options.verifyHashes === false ? undefined : sha256);
  }
  const tokenizerPath = join(folder, tokenizerFile);
  await checkTokenizer(tokenizerPath, manifest);
  return {
    ...manifest,
    directory: folder,
    graphPath: join(folder, graphFile),
    tokenizerPath,
    hash: packageHash(manifest),
  };
}

async function readManifest(folder: string): Promise<unknown> {
  const path = join(folder, "model.json");
  let content: string;
  try {
    content = await readFile(path, "utf8");
  } catch (error) {
    throw new ModelPackageError(
      `${path}: expected a model package's description, found none (${firstLine(error)}). ${reinstall}`,
      {
        cause: error,
      },
    );
  }
  try {
    return JSON.parse(content);
  } catch (error) {
    throw new ModelPackageError(`${path}: expected JSON, found something else (${firstLine(error)}). ${reinstall}`, {
      cause: error,
    });
  }
}

function parseManifest(path: string, value: unknown): ModelManifest {
  // Said first and by itself: with another format version every other complaint would mislead.
  const version = v.safeParse(v.looseObject({ formatVersion: v.unknown() }), value);
  if (version.success && version.output.formatVersion !== supportedFormatVersion) {
    throw new ModelPackageError(
      `${path}: expected formatVersion ${supportedFormatVersion}, found ${JSON.stringify(version.output.formatVersion)}. ` +
        "Use a model package made for this version of SelfRACG Code, or another version of the extension.",
    );
  }
  const parsed = v.safeParse(manifestSchema, value);
  if (!parsed.success) {
    const complaints = parsed.issues
      .slice(0, 3)
      .map(
        (issue) =>
          `${v.getDotPath(issue) ?? "(whole file)"}: expected ${issue.expected === "never" ? "no such field" : (issue.expected ?? issue.message)}, found ${issue.received}`,
      );
    throw new ModelPackageError(`${path}: ${complaints.join("; ")}. ${reinstall}`);
  }
  const { architecture: a, retrieval: r, prompt, contextLength, confidence } = parsed.output;
  const refuse = (field: string, expected: string, found: string | number): never => {
    throw new ModelPackageError(`${path}: ${field}: expected ${expected}, found ${found}. ${reinstall}`);
  };
  const [dimension, why] = r.outputProjection
    ? [a.hiddenSize, "hiddenSize"]
    : [a.queryHeads * a.headDim, "queryHeads x headDim"];
  if (r.dimension !== dimension) refuse("retrieval.dimension", `${dimension} (${why})`, r.dimension);
  if (a.queryHeads % a.keyValueHeads !== 0)
    refuse("architecture.queryHeads", `a multiple of keyValueHeads (${a.keyValueHeads})`, a.queryHeads);
  const { nullVector, importTokens = 0 } = r;
  if (nullVector !== undefined && nullVector.length !== r.dimension)
    refuse("retrieval.nullVector", `${r.dimension} numbers (retrieval.dimension)`, nullVector.length);
  if (r.queryTokens + importTokens > contextLength)
    refuse(
      "retrieval.queryTokens",
      `at most contextLength (${contextLength}), importTokens included`,
      r.queryTokens + importTokens,
    );
  if (r.fragmentTokens > contextLength)
    refuse("retrieval.fragmentTokens", `at most contextLength (${contextLength})`, r.fragmentTokens);
  if (confidence !== undefined) {
    const { more, balanced, fewer } = confidence.thresholds;
    if (more > balanced || balanced > fewer)
      refuse(
        "confidence.thresholds",
        "more at most balanced, and balanced at most fewer",
        [more, balanced, fewer].join(", "),
      );
  }
  const slots = {
    fragment: ["{path}", "{text}"],
    leftToRight: ["{path}", "{prefix}"],
    fillInMiddle: ["{path}", "{prefix}", "{suffix}"],
    query: ["{path}", "{prefix}"],
    fragmentEmbedding: ["{path}", "{text}"],
  } as const;
  for (const name of ["fragment", "leftToRight", "fillInMiddle", "query", "fragmentEmbedding"] as const) {
    const pieces = prompt[name];
    if (pieces === undefined) continue;
    const present = pieces.filter((piece) => /^\{\w+\}$/.test(piece)).sort();
    const withImports = name === "query" && present.includes("{imports}");
    const wanted = [...slots[name], ...(withImports ? ["{imports}"] : [])].sort();
    if (present.join() !== wanted.join())
      refuse(`prompt.${name}`, `the slots ${wanted.join(", ")}, each once`, present.join(", ") || "none");
  }
  return parsed.output;
}

async function checkFile(path: string, bytes: number, sha256: string | undefined): Promise<void> {
  let size: number;
  try {
    const found = await stat(path);
    if (!found.isFile()) throw new Error("not a file");
    size = found.size;
  } catch (error) {
    throw new ModelPackageError(
      `${path}: expected a file of ${bytes} bytes, found none (${firstLine(error)}). ${reinstall}`,
      {
        cause: error,
      },
    );
  }
  if (size !== bytes) throw new ModelPackageError(`${path}: expected ${bytes} bytes, found ${size}. ${reinstall}`);
  if (sha256 === undefined) return;
  const found = await hashFile(path);
  if (found !== sha256)
    throw new ModelPackageError(
      `${path}: expected SHA-256 ${sha256}, found ${found}. The file was changed or damaged. ${reinstall}`,
    );
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  try {
    for await (const block of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(block);
  } catch (error) {
    throw new ModelPackageError(
      `${path}: expected a readable file, found an error (${firstLine(error)}). ${reinstall}`,
      { cause: error },
    );
  }
  return hash.digest("hex");
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

/** Template pieces written as special tokens; everything between `<|` and `|>` is one by this format's convention. */
function specialsOf({ prompt }: ModelManifest): string[] {
  return [prompt.fragment, prompt.leftToRight, prompt.fillInMiddle ?? [], prompt.query, prompt.fragmentEmbedding]
    .flat()
    .filter((piece) => /^<\|\w+\|>$/.test(piece));
}

function packageHash({ files, prompt, retrieval }: ModelManifest): string {
  // Null score and null vector only decide what is used, not what is stored.
  const { nullScore: _, nullVector: __, ...space } = retrieval;
  return createHash("sha256")
    .update(JSON.stringify([files[graphFile]?.sha256, files[tokenizerFile]?.sha256, prompt, space]))
    .digest("hex");
}

function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split("\n", 1)[0] ?? message;
}
