// model.json of a model package: its schema with the bounds of all values, and the checks between values.

import { stat } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { firstLine } from "../../host/errors";
import { readRegularFile } from "../../host/regular-file";
import { ModelPackageError, reinstall } from "./model-package-error";

/** The format version of model.json that this build reads. */
export const supportedFormatVersion = 3;

/** Far above any model that a user's machine can run, but low enough that a wrong value cannot take much memory or time. */
const max = {
  layers: 512,
  /** Number of heads, and dimension of a head. */
  heads: 1024,
  /** Dimension of a hidden state and of an expression. */
  width: 2 ** 16,
  intermediateSize: 2 ** 20,
  vocabularySize: 2 ** 21,
  parameters: 1e13,
  contextLength: 2 ** 20,
  /** Magnitude of a score, a weight of the confidence, or L-LoRA's alpha. */
  magnitude: 1e6,
  /** Length of a name, a special token or a piece of a prompt. */
  characters: 500,
  pieces: 200,
  files: 200,
  fileBytes: 2 ** 40,
} as const;

const probability = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const whole = (minimum: number, maximum: number) =>
  v.pipe(v.number(), v.integer(), v.minValue(minimum), v.maxValue(maximum));
const count = (maximum: number) => whole(1, maximum);
const tokens = count(max.contextLength);
const magnitude = v.pipe(v.number(), v.minValue(-max.magnitude), v.maxValue(max.magnitude));
const piece = v.pipe(v.string(), v.maxLength(max.characters));
const text = v.pipe(piece, v.minLength(1));
const template = v.pipe(v.array(piece), v.minLength(1), v.maxLength(max.pieces));
/** Names without folders, so that no file lies outside the package. */
const fileName = v.pipe(
  v.string(),
  v.check((name) => /^[A-Za-z0-9][A-Za-z0-9._-]{0,199}$/.test(name), "a plain file name"),
);

const sha256 = v.pipe(
  v.string(),
  v.check((digits) => /^[0-9a-f]{64}$/.test(digits), "64 lower-case hexadecimal digits"),
);

const manifestSchema = v.strictObject({
  formatVersion: v.literal(supportedFormatVersion),
  name: text,
  version: text,
  licence: text,
  architecture: v.strictObject({
    type: text,
    hiddenSize: count(max.width),
    layers: count(max.layers),
    queryHeads: count(max.heads),
    keyValueHeads: count(max.heads),
    headDim: count(max.heads),
    intermediateSize: count(max.intermediateSize),
    vocabularySize: count(max.vocabularySize),
    parameters: count(max.parameters),
  }),
  /** Type of the stored matrices and type of the computation; keys and values are float16 when the computation is. */
  weights: v.optional(
    v.strictObject({
      stored: v.picklist(["float16", "float32", "int8"]),
      computed: v.picklist(["float32", "float16", "int8"]),
    }),
  ),
  contextLength: whole(64, max.contextLength),
  specialTokens: v.strictObject({ endOfText: text, pad: text }),
  prompt: v.strictObject({
    fragment: template,
    leftToRight: template,
    /**
     * The prompt with code on both sides of the cursor; absent for a model that completes better without the code after it. It
     * may name the path twice: once for the code after the cursor, as a piece of its own, and once for the code before it.
     */
    fillInMiddle: v.optional(template),
    query: template,
    fragmentEmbedding: template,
    fragmentOrder: v.picklist(["best-last", "best-first"]),
    stopTokens: v.pipe(v.array(text), v.minLength(1), v.maxLength(max.pieces)),
    maxPathTokens: tokens,
  }),
  retrieval: v.strictObject({
    dimension: count(max.width),
    /** Whether each layer's expression passes through the layer's output projection; default: false. */
    outputProjection: v.optional(v.boolean()),
    normalised: v.boolean(),
    rank: count(max.width),
    alpha: v.pipe(magnitude, v.gtValue(0)),
    adapters: v.picklist(["separate", "shared"]),
    /** A fragment that scores lower than this, plus the need's product with `nullVector` where there is one, is not needed. */
    nullScore: magnitude,
    /** The expression of a context that needs no code of other files, `dimension` numbers. */
    nullVector: v.optional(v.pipe(v.array(magnitude), v.maxLength(max.width))),
    queryTokens: tokens,
    /** Maximum tokens of import statements in the query, in addition to `queryTokens`; default: 0. */
    importTokens: v.optional(whole(0, max.contextLength)),
    fragmentTokens: tokens,
  }),
  /**
   * Logistic regression of the probability that the first line of a suggestion is right, and the probabilities from which it
   * is shown; absent: no suggestion is suppressed as unsure. `npm run bench -- confidence` computes it.
   */
  confidence: v.optional(
    v.strictObject({
      weights: v.strictObject({
        constant: magnitude,
        /** Mean natural logarithm of the probability of the suggestion's tokens. */
        meanLogProbability: magnitude,
        /** Natural logarithm of the number of tokens of the first line. */
        logFirstLineTokens: magnitude,
        /** 1 when the suggestion adds a syntax error, else 0. */
        syntaxError: magnitude,
      }),
      /** By the setting `selfracg.frequency`. */
      thresholds: v.strictObject({ more: probability, balanced: probability, fewer: probability }),
    }),
  ),
  /**
   * How much the n-gram lookup over the prompt counts beside a model that knows nothing, by the number of tokens that its
   * longest match has in common with what was generated last; the last number counts for longer matches too. Absent: the
   * model alone chooses, as a model does that has learnt to copy from its prompt, and the lookup only gives drafts.
   */
  ngramWeights: v.optional(v.pipe(v.array(probability), v.minLength(2), v.maxLength(max.pieces))),
  /**
   * Only in a package converted on this machine: the source GGUF file, the model of the catalogue whose graph the package uses,
   * whether the file is that model's own, and the type of the weights: `int8` needs a processor that sums their products exactly.
   */
  source: v.optional(
    v.strictObject({
      file: text,
      bytes: whole(0, max.fileBytes),
      sha256,
      model: text,
      catalogued: v.boolean(),
      variant: v.picklist(["int8", "int7"]),
    }),
  ),
  /** Every file of the package except model.json: the graph, its external weights, the tokenizer and the model card. */
  files: v.pipe(
    v.record(
      fileName,
      v.strictObject({
        bytes: whole(0, max.fileBytes),
        sha256,
      }),
    ),
    v.maxEntries(max.files),
  ),
});

/** The content of model.json. */
export type ModelManifest = v.InferOutput<typeof manifestSchema>;

/** A model.json has a few kilobytes and the null vector. */
const maxManifestBytes = 16 * 2 ** 20;
/** Maximum length of a value that a message quotes. */
const maxQuotedLength = 80;

/**
 * Reads and checks `folder`'s model.json.
 * @throws ModelPackageError when it is missing or has another format, or a value is out of bounds or contradicts another.
 */
export async function readManifest(folder: string): Promise<ModelManifest> {
  const path = join(folder, "model.json");
  return parseManifest(path, parseJson(path, await readBounded(path)));
}

async function readBounded(path: string): Promise<string> {
  let bytes: number;
  try {
    ({ size: bytes } = await stat(path));
    if (bytes <= maxManifestBytes) return await readRegularFile(path, maxManifestBytes);
  } catch (error) {
    throw new ModelPackageError(
      `${path}: expected the model.json of a model package, found none (${firstLine(error)}). ${reinstall}`,
      { cause: error },
    );
  }
  throw new ModelPackageError(
    `${path}: expected a model.json of at most ${maxManifestBytes} bytes, found ${bytes}. ${reinstall}`,
  );
}

function parseJson(path: string, content: string): unknown {
  try {
    return JSON.parse(content);
  } catch (error) {
    throw new ModelPackageError(`${path}: expected JSON, found something else (${firstLine(error)}). ${reinstall}`, {
      cause: error,
    });
  }
}

function parseManifest(path: string, value: unknown): ModelManifest {
  // Checked first, because messages about other fields would be misleading for another format version.
  const version = v.safeParse(v.looseObject({ formatVersion: v.unknown() }), value);
  if (version.success && version.output.formatVersion !== supportedFormatVersion) {
    throw new ModelPackageError(
      `${path}: expected formatVersion ${supportedFormatVersion}, found ${quoted(version.output.formatVersion)}. ` +
        "Use a model package made for this version of SelfRACG Code, or another version of the extension.",
    );
  }
  const parsed = v.safeParse(manifestSchema, value, { abortPipeEarly: true });
  if (!parsed.success) {
    const complaints = parsed.issues.slice(0, 3).map((issue) => {
      const expected = issue.expected === "never" ? "no such field" : (issue.expected ?? issue.message);
      return `${shortened(v.getDotPath(issue) ?? "(whole file)")}: expected ${expected}, found ${shortened(issue.received)}`;
    });
    throw new ModelPackageError(`${path}: ${complaints.join("; ")}. ${reinstall}`);
  }
  const refuse: Refuse = (field, expected, found) => {
    throw new ModelPackageError(`${path}: ${field}: expected ${expected}, found ${found}. ${reinstall}`);
  };
  checkNumbers(parsed.output, refuse);
  checkTemplates(parsed.output.prompt, refuse);
  return parsed.output;
}

type Refuse = (field: string, expected: string, found: string | number) => never;

/** Refuses numbers that contradict each other. */
function checkNumbers({ architecture, retrieval, contextLength, confidence }: ModelManifest, refuse: Refuse): void {
  const { hiddenSize, queryHeads, keyValueHeads, headDim } = architecture;
  const { dimension, nullVector, queryTokens, importTokens = 0, fragmentTokens } = retrieval;
  const [expected, why] = retrieval.outputProjection
    ? [hiddenSize, "hiddenSize"]
    : [queryHeads * headDim, "queryHeads x headDim"];
  if (dimension !== expected) refuse("retrieval.dimension", `${expected} (${why})`, dimension);
  if (queryHeads % keyValueHeads !== 0)
    refuse("architecture.queryHeads", `a multiple of keyValueHeads (${keyValueHeads})`, queryHeads);
  if (nullVector !== undefined && nullVector.length !== dimension)
    refuse("retrieval.nullVector", `${dimension} numbers (retrieval.dimension)`, nullVector.length);
  if (queryTokens + importTokens > contextLength)
    refuse(
      "retrieval.queryTokens",
      `at most contextLength (${contextLength}), importTokens included`,
      queryTokens + importTokens,
    );
  if (fragmentTokens > contextLength)
    refuse("retrieval.fragmentTokens", `at most contextLength (${contextLength})`, fragmentTokens);
  if (confidence === undefined) return;
  const { more, balanced, fewer } = confidence.thresholds;
  if (more > balanced || balanced > fewer)
    refuse(
      "confidence.thresholds",
      "more at most balanced, and balanced at most fewer",
      [more, balanced, fewer].join(", "),
    );
}

/** Refuses a prompt that lacks a slot, or has one twice (but for a path) or in the wrong place. */
function checkTemplates(prompt: ModelManifest["prompt"], refuse: Refuse): void {
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
    const found = pieces.filter((piece) => /^\{\w+\}$/.test(piece)).sort();
    const present =
      name === "fillInMiddle" ? found.filter((slot, at) => slot !== "{path}" || at === found.indexOf(slot)) : found;
    const withImports = name === "query" && present.includes("{imports}");
    const wanted = [...slots[name], ...(withImports ? ["{imports}"] : [])].sort();
    if (present.join() !== wanted.join())
      refuse(`prompt.${name}`, `the slots ${wanted.join(", ")}, each once`, present.join(", ") || "none");
  }
}

/** A value as a message shows it. Objects and lists are only named, because deep nesting would overflow the stack. */
function quoted(value: unknown): string {
  if (typeof value === "object" && value !== null) return Array.isArray(value) ? "a list" : "an object";
  return shortened(JSON.stringify(value) ?? "nothing");
}

function shortened(value: string): string {
  return value.length > maxQuotedLength ? `${value.slice(0, maxQuotedLength)}...` : value;
}
