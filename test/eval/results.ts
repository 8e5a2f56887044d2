// Results of single tasks on disk, a line each, so that a run that was ended goes on where it was.
import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import * as v from "valibot";
import type { Task } from "./input";

const resultSchema = v.object({
  id: v.string(),
  language: v.string(),
  repository: v.string(),
  file: v.string(),
  offset: v.number(),
  groundtruth: v.string(),
  prediction: v.string(),
  /** Why nothing was suggested. */
  suppressed: v.optional(v.string()),
  /** The prediction as it is scored: one statement. */
  statement: v.string(),
  em: v.number(),
  es: v.number(),
  idF1: v.number(),
  /** Whether another file defines a name of the ground truth: only then do the next two say anything. */
  needs: v.boolean(),
  /** Place from 0 of the first defining fragment among the best of the other files; null where it is not among the first ten. */
  rank: v.nullable(v.number()),
  /** Whether a defining fragment stood in the prompt. */
  inPrompt: v.boolean(),
  /** Fragments in the prompt. */
  fragments: v.number(),
  /** Milliseconds from request to suggestion. */
  ms: v.number(),
});

export type Result = v.InferOutput<typeof resultSchema>;

export class ResultFile {
  private readonly known = new Map<string, Result>();

  /** Reads what is there; a line cut off by a kill is passed over, and its task done again. */
  constructor(private readonly path: string) {
    mkdirSync(dirname(path), { recursive: true });
    const text = existsSync(path) ? readFileSync(path, "utf8") : "";
    for (const line of text.split("\n")) {
      const result = v.safeParse(resultSchema, parsed(line));
      if (result.success) this.known.set(result.output.id, result.output);
    }
    if (text !== "" && !text.endsWith("\n")) appendFileSync(path, "\n");
  }

  /** The result of this very task; nothing for another one of the same id. */
  get({ id, repository, file, offset, groundtruth }: Task): Result | undefined {
    const known = this.known.get(id);
    const same =
      known?.repository === repository &&
      known.file === file &&
      known.offset === offset &&
      known.groundtruth === groundtruth;
    return same ? known : undefined;
  }

  add(result: Result): void {
    appendFileSync(this.path, `${JSON.stringify(result)}\n`);
    this.known.set(result.id, result);
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
