// models/catalogue.json: the models that have a name everywhere (settings, command line, evaluation, benchmarks).
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";

/** The model that ships, whole, and answers where no other can. */
export const smallModel = "small";

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const text = v.pipe(v.string(), v.minLength(1));

/** What a model may be called: also the name of its folder. */
export const modelName = v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9._-]{0,99}$/));

const sourceSchema = v.strictObject({
  /** As its publisher calls it. */
  file: text,
  bytes: count,
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  /** On the publisher's hub (huggingface.co), and the revision there. */
  repository: text,
  revision: text,
});

const modelSchema = v.strictObject({
  title: text,
  /** A sentence on whom it is for. */
  goodFor: text,
  licence: text,
  parameters: count,
  /** Folder beside catalogue.json: the whole package, or, with a source, all of it but the weights. */
  package: modelName,
  /** Of the finished package on disk. */
  bytes: count,
  /** What the process that runs it takes. */
  memoryMegabytes: count,
  /** Absent where the package is whole as it is. */
  source: v.optional(sourceSchema),
});

const catalogueSchema = v.strictObject({
  formatVersion: v.literal(1),
  models: v.record(modelName, modelSchema),
});

export type CatalogueModel = v.InferOutput<typeof modelSchema>;
export type ModelSource = v.InferOutput<typeof sourceSchema>;

/** By name, in the order of the file. */
export type Catalogue = ReadonlyMap<string, CatalogueModel>;

/**
 * @param folder the extension's folder `models`
 * @throws Error where the file is missing or not as it must be: the extension is damaged then.
 */
export function readCatalogue(folder: string): Catalogue {
  const path = join(folder, "catalogue.json");
  const parsed = v.safeParse(catalogueSchema, JSON.parse(readFileSync(path, "utf8")));
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw new Error(
      `${path}: ${v.getDotPath(issue) ?? "(whole file)"}: ${issue.message}. Install the extension again.`,
    );
  }
  return new Map(Object.entries(parsed.output.models));
}
