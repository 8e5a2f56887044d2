// Reads what a command names: FILE:LINE:COLUMN, folders, and the workspace of a file.
import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { errorMessage } from "../host/errors";
import { withHome } from "../host/locations";
import { documentPath } from "../host/paths";
import { plainText } from "../host/plain-text";
import { languageIdOf } from "../languages/languages";
import type { CursorContext } from "../retrieval/types";
import { IgnoreRules } from "../workspace/files/ignore";
import { secretByPath } from "../workspace/files/secrets/names";
import { examine } from "../workspace/files/walk";
import type { Command } from "./arguments";
import { InputError } from "./terminal";

interface Cursor {
  readonly path: string;
  /** As {@link plainText} has it. */
  readonly text: string;
  readonly offset: number;
  /** 0-based. */
  readonly line: number;
  readonly character: number;
}

/** Reads FILE:LINE:COLUMN and the file. */
async function readCursor(target: string): Promise<Cursor> {
  const match = /^(.+):(\d+):(\d+)$/s.exec(target);
  const [, file, lineText, columnText] = match ?? [];
  if (file === undefined || lineText === undefined || columnText === undefined) {
    throw new InputError(
      `Expected FILE:LINE:COLUMN such as src/app.py:12:5, found ${JSON.stringify(target)}. Add the line and the column, both counted from 1.`,
    );
  }
  const path = resolve(withHome(file));
  let text: string;
  try {
    const found = await stat(path);
    if (found.isDirectory()) throw new InputError(`Expected a file, found the folder ${path}. Name a file in it.`);
    // Reading it may never end.
    if (!found.isFile())
      throw new InputError(`Expected a file, found a pipe, a socket or a device: ${path}. Name a regular file.`);
    text = plainText(await readFile(path, "utf8"));
  } catch (error) {
    if (error instanceof InputError) throw error;
    throw new InputError(`Expected a readable file at ${path}, found none (${errorMessage(error)}). Check the name.`);
  }
  const lines = text.split("\n");
  const line = Number(lineText) - 1;
  const found = lines[line];
  if (line < 0 || found === undefined) {
    throw new InputError(
      `Expected a line from 1 to ${lines.length} of ${path}, found ${lineText}. Lines count from 1.`,
    );
  }
  const character = Number(columnText) - 1;
  if (character < 0 || character > found.length) {
    throw new InputError(
      `Expected a column from 1 to ${found.length + 1} in line ${lineText} of ${path}, found ${columnText}. Columns count from 1.`,
    );
  }
  const before = lines.slice(0, line).reduce((sum, each) => sum + each.length + 1, 0);
  return { path, text, offset: before + character, line, character };
}

export async function readFolder(folder: string, option: string): Promise<string> {
  const path = resolve(withHome(folder));
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() !== true) {
    throw new InputError(
      `Expected a folder for ${option}, found ${found === undefined ? "nothing" : "a file"} at ${path}. Check the name.`,
    );
  }
  return path;
}

/** The innermost folder above `file` that holds `.git`, else the file's own folder. */
export function workspaceOf(file: string): string {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    if (existsSync(join(folder, ".git"))) return folder;
    if (dirname(folder) === folder) return dirname(file);
  }
}

/** The cursor that a command names and its workspace. @throws InputError for a place that does not exist, and for a secret file */
export async function openCursor({
  target,
  workspace: given,
}: Command): Promise<{ cursor: Cursor; workspace: string }> {
  const cursor = await readCursor(target);
  const workspace = given === undefined ? workspaceOf(cursor.path) : await readFolder(given, "--workspace");
  await refuseSecret(cursor.path, workspace);
  return { cursor, workspace };
}

export function contextOf(cursor: Cursor, workspace: string): CursorContext {
  const uri = pathToFileURL(cursor.path).href;
  return {
    uri,
    path: documentPath(uri, [{ uri: pathToFileURL(workspace).href, name: basename(workspace) }]),
    languageId: languageIdOf(cursor.path),
    prefix: cursor.text.slice(0, cursor.offset),
    suffix: cursor.text.slice(cursor.offset),
  };
}

/** @throws InputError for a file that is secret by its name and not brought back: no model reads it */
async function refuseSecret(file: string, workspace: string): Promise<void> {
  const path = pathBelow(workspace, file);
  const because = secretByPath(path ?? file.split(sep).join("/"));
  if (because === undefined) return;
  const options = { rules: await IgnoreRules.create(workspace), maxBytes: Infinity };
  const found = path === undefined ? undefined : await examine(workspace, path, options);
  if (found === undefined || !("file" in found))
    throw new InputError(`Expected a file that is no secret, found ${file}: ${because}.`);
}

/** With `/`; undefined where the file is not in the folder. */
export function pathBelow(folder: string, file: string): string | undefined {
  const found = relative(folder, file).split(sep).join("/");
  return found === ".." || found.startsWith("../") || isAbsolute(found) ? undefined : found;
}
