// What the command line's `model` commands print with --json, for programs that run them.
import * as v from "valibot";

const text = v.optional(v.string());
const count = v.optional(v.number());

const listedModelSchema = v.object({
  name: v.string(),
  title: text,
  /** `ships`: inside the extension; `here`: converted on this machine; `damaged`: to be made again. */
  state: v.picklist(["ships", "here", "not here", "damaged"]),
  /** Whether it answers where no setting names one. */
  inUse: v.boolean(),
  catalogued: v.boolean(),
  licence: text,
  parameters: count,
  /** On disk. */
  bytes: count,
  memoryMegabytes: count,
  goodFor: text,
  /** Whether its expression of its need is trained; undefined for a model that is not in the catalogue. */
  trainedNeed: v.optional(v.boolean()),
  /** Why this machine should not run it, as a sentence; undefined when it can. */
  obstacle: text,
  /** The GGUF file it is made of. */
  file: text,
  /** What is wrong with it, and what to do. */
  problem: text,
  /** What there is to download, for a model of the catalogue. */
  source: v.optional(
    v.object({
      address: v.string(),
      file: v.string(),
      bytes: v.number(),
      sha256: v.string(),
      /** Whether pip can fetch it too. */
      pip: v.boolean(),
    }),
  ),
});

export type ListedModel = v.InferOutput<typeof listedModelSchema>;

/** `model list`, on the last line. */
export const modelListSchema = v.object({
  models: v.array(listedModelSchema),
  /** Folder of the models converted on this machine. */
  folder: v.string(),
  /** Folder of downloads that are under way or were interrupted. */
  downloads: v.string(),
});

export type ModelList = v.InferOutput<typeof modelListSchema>;

const foundFileSchema = v.object({
  path: v.string(),
  bytes: v.number(),
  /** Whose folder it lies in. */
  program: v.string(),
  /** Name of the model of the catalogue that it fits. */
  model: v.string(),
  /** Whether it is most likely the catalogue's own file. */
  catalogued: v.boolean(),
});

export type FoundFile = v.InferOutput<typeof foundFileSchema>;

/** `model find`, on the last line. */
export const foundFilesSchema = v.object({
  files: v.array(foundFileSchema),
  /** GGUF files that no model can be made of. */
  others: v.number(),
  /** That were looked through. */
  folders: v.array(v.string()),
});

export type FoundFiles = v.InferOutput<typeof foundFilesSchema>;

/** `model add` and `model get`, on lines before the last. */
export const modelProgressSchema = v.object({
  step: v.picklist(["downloading", "reading", "converting", "checking"]),
  done: v.number(),
  /** Undefined when it is not known. */
  total: count,
});

export type ModelProgress = v.InferOutput<typeof modelProgressSchema>;

/** `model add`, `model get` and `model remove`, on the last line. */
export const namedModelSchema = v.object({ name: v.string() });

/** The content of a line that a command printed; undefined when it is something else. */
export function readLine<Content>(line: string, schema: v.GenericSchema<unknown, Content>): Content | undefined {
  if (!line.startsWith("{")) return undefined;
  try {
    const parsed = v.safeParse(schema, JSON.parse(line));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}
