// Results of tasks on disk, one line each, so that an interrupted run can continue.
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
  /** The reason why nothing was suggested. */
  suppressed: v.optional(v.string()),
  /** The scored prediction: one statement. */
  statement: v.string(),
  em: v.number(),
  es: v.number(),
  idF1: v.number(),
  /** Whether another file defines a name of the ground truth; the next two fields are only meaningful then. */
  needs: v.boolean(),
  /** Rank from 0 of the first defining fragment among the best of other files; null beyond the tenth. */
  rank: v.nullable(v.number()),
  /** Whether a defining fragment was in the prompt. */
  inPrompt: v.boolean(),
  /** Number of fragments in the prompt. */
  fragments: v.number(),
  /** Milliseconds from request to suggestion. */
  ms: v.number(),
});

export type Result = v.InferOutput<typeof resultSchema>;

/** Rows by their id, as JSON lines that an interrupted run has left and this one adds to. */
export class RowFile<Row extends { readonly id: string }> {
  private readonly known = new Map<string, Row>();

  /** Reads the file; a line truncated by a kill is skipped, and its row is made again. */
  constructor(
    private readonly path: string,
    schema: v.GenericSchema<unknown, Row>,
  ) {
    mkdirSync(dirname(path), { recursive: true });
    const text = existsSync(path) ? readFileSync(path, "utf8") : "";
    for (const line of text.split("\n")) {
      const row = v.safeParse(schema, parsed(line));
      if (row.success) this.known.set(row.output.id, row.output);
    }
    if (text !== "" && !text.endsWith("\n")) appendFileSync(path, "\n");
  }

  get all(): Row[] {
    return [...this.known.values()];
  }

  get(id: string): Row | undefined {
    return this.known.get(id);
  }

  add(row: Row): void {
    appendFileSync(this.path, `${JSON.stringify(row)}\n`);
    this.known.set(row.id, row);
  }
}

export class ResultFile extends RowFile<Result> {
  constructor(path: string) {
    super(path, resultSchema);
  }

  /** The result of this task; undefined for a different task with the same id. */
  resultOf({ id, repository, file, offset, groundtruth }: Task): Result | undefined {
    const known = this.get(id);
    const same =
      known?.repository === repository &&
      known.file === file &&
      known.offset === offset &&
      known.groundtruth === groundtruth;
    return same ? known : undefined;
  }
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
