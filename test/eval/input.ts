// Reads tasks and their repositories as JSON lines, plain or compressed with xz.

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { extname } from "node:path";
import { Readable } from "node:stream";
import * as v from "valibot";
import { XzReadableStream } from "xz-decompress";
import { errorMessage } from "../../sidecar/host/errors";

/** An error that the user can correct; the message says what was expected, what was found and what to do. */
export class InputError extends Error {}

const taskSchema = v.looseObject({
  id: v.pipe(v.string(), v.minLength(1)),
  language: v.string(),
  repository: v.string(),
  file: v.string(),
  /** Offset of the cursor in code points. */
  offset: v.pipe(v.number(), v.integer(), v.minValue(0)),
  groundtruth: v.pipe(v.string(), v.minLength(1)),
});
const repositorySchema = v.looseObject({
  repository: v.string(),
  language: v.string(),
  files: v.record(v.string(), v.string()),
});

export type Task = v.InferOutput<typeof taskSchema>;
/** Text by path. */
export type Files = ReadonlyMap<string, string>;

/** A task with the text around its cursor. */
export interface Place {
  readonly task: Task;
  readonly prefix: string;
  readonly suffix: string;
}

/**
 * The tasks of all files in order; with `limit`, the first of each file in a shuffle that
 * depends only on their ids: a random sample, which a larger limit extends.
 * @throws InputError
 */
export async function readTasks(paths: readonly string[], limit: number | undefined): Promise<Task[]> {
  const tasks: Task[] = [];
  const seen = new Set<string>();
  for (const path of paths) {
    const ofFile: Task[] = [];
    for await (const { text, number } of readLines(path)) {
      const task = parse(
        taskSchema,
        text,
        `${path}, line ${number}`,
        "a task {id, language, repository, file, offset, groundtruth}",
      );
      if (seen.has(task.id))
        throw new InputError(
          `${path}, line ${number}: expected each id once, found ${JSON.stringify(task.id)} again. Give every task its own.`,
        );
      seen.add(task.id);
      ofFile.push(task);
    }
    if (ofFile.length === 0) throw new InputError(`${path}: expected at least one task, found none. Check the file.`);
    tasks.push(...(limit === undefined ? ofFile : drawn(ofFile, limit)));
  }
  return tasks;
}

function drawn(tasks: readonly Task[], limit: number): Task[] {
  const place = (id: string) => createHash("sha256").update(id).digest("hex");
  const shuffled = tasks.map((task) => ({ task, at: place(task.id) })).sort((a, b) => (a.at < b.at ? -1 : 1));
  const chosen = new Set(shuffled.slice(0, limit).map(({ task }) => task));
  return tasks.filter((task) => chosen.has(task));
}

/** The files of the requested repositories; others are not parsed when their name is the first field. @throws InputError */
export async function readRepositories(
  paths: readonly string[],
  wanted: ReadonlySet<string>,
): Promise<Map<string, Files>> {
  const found = new Map<string, Files>();
  for (const path of paths) await readWanted(path, wanted, found);
  const missing = [...wanted].find((name) => !found.has(name));
  if (missing !== undefined)
    throw new InputError(
      `${paths.join(", ")}: expected the repository ${missing} of a task, found none of that name. Give the file that goes with the tasks.`,
    );
  return found;
}

async function readWanted(path: string, wanted: ReadonlySet<string>, found: Map<string, Files>): Promise<void> {
  for await (const { text, number } of readLines(path)) {
    if (found.size === wanted.size) break;
    const name = /^\s*\{\s*"repository"\s*:\s*"([^"\\]*)"/.exec(text.slice(0, 1000))?.[1];
    if (name !== undefined && !wanted.has(name)) continue;
    const { repository, files } = parse(
      repositorySchema,
      text,
      `${path}, line ${number}`,
      "a repository {repository, language, files: {path: text}}",
    );
    if (!wanted.has(repository)) continue;
    for (const file of Object.keys(files)) {
      // Files are written to a folder, which no name may leave.
      if (file.split(/[/\\]/).some((part) => part === "" || part === "." || part === "..") || file.includes("\0")) {
        throw new InputError(
          `${path}, line ${number}: expected relative paths with "/", found ${JSON.stringify(file)} in ${repository}. Rename it.`,
        );
      }
    }
    found.set(repository, new Map(Object.entries(files)));
  }
}

/** The text on both sides of a task's cursor, without the ground truth. @throws InputError when the ground truth is not there */
export function placeOf(task: Task, files: Files): Place {
  const text = files.get(task.file);
  if (text === undefined)
    throw new InputError(
      `Task ${task.id}: expected the file ${task.file} in ${task.repository}, found none. Give the repositories that go with the tasks.`,
    );
  const start = unitsOf(text, task.offset);
  if (!text.startsWith(task.groundtruth, start)) {
    const found = JSON.stringify(text.slice(start, start + task.groundtruth.length));
    throw new InputError(
      `Task ${task.id}: expected the ground truth ${JSON.stringify(task.groundtruth)} at character ${task.offset} of ${task.file}, found ${found}. Offsets count code points.`,
    );
  }
  return { task, prefix: text.slice(0, start), suffix: text.slice(start + task.groundtruth.length) };
}

/** Length of the first `points` code points of `text` in UTF-16 units; an unpaired surrogate counts as a code point. */
export function unitsOf(text: string, points: number): number {
  let units = 0;
  for (let point = 0; point < points && units < text.length; point++)
    units += (text.codePointAt(units) ?? 0) > 0xffff ? 2 : 1;
  return units;
}

/** Lines of a text file that are not blank, with their numbers from 1. Only `\n` ends a line, because JSON texts contain other separators. */
async function* readLines(path: string): AsyncGenerator<{ text: string; number: number }> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isFile() !== true)
    throw new InputError(
      `${path}: expected a file, found ${found === undefined ? "nothing" : "no file"} of that name. Check the name.`,
    );
  const bytes = createReadStream(path, { highWaterMark: 1 << 18 });
  const source = extname(path) === ".xz" ? Readable.fromWeb(new XzReadableStream(Readable.toWeb(bytes))) : bytes;
  const decoder = new TextDecoder();
  let number = 0;
  let parts: string[] = [];
  const line = () => {
    const text = parts.join("");
    parts = [];
    number += 1;
    return { text, number };
  };
  try {
    for await (const block of source) {
      const text = decoder.decode(block, { stream: true });
      let start = 0;
      for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", start)) {
        parts.push(text.slice(start, end));
        start = end + 1;
        const whole = line();
        if (whole.text.trim() !== "") yield whole;
      }
      parts.push(text.slice(start));
    }
  } catch (error) {
    throw new InputError(
      `${path}: expected JSON lines${extname(path) === ".xz" ? " compressed with xz" : ""}, found a file that cannot be read (${errorMessage(error)}).`,
    );
  } finally {
    bytes.destroy();
  }
  const last = line();
  if (last.text.trim() !== "") yield last;
}

function parse<Schema extends v.GenericSchema>(
  schema: Schema,
  text: string,
  where: string,
  what: string,
): v.InferOutput<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new InputError(`${where}: expected ${what} as JSON, found something else (${errorMessage(error)}).`);
  }
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const [issue] = result.issues;
  throw new InputError(
    `${where}: expected ${what}; ${v.getDotPath(issue) ?? "the whole line"}: expected ${issue.expected ?? issue.message}, found ${issue.received}.`,
  );
}
