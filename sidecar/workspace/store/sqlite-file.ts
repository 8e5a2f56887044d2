// Opens an SQLite file so that it is private, exact about damage, and leaves no trace of what is deleted.
import { chmodSync, closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type DatabaseSyncInstance } from "@photostructure/sqlite";

/** SQLite's result codes: damaged, too short. */
const corrupt = 11;
const shortRead = 522;
/** Not every method of the library tells the code. The statements are right, so that a table is only missing by damage. */
const damageText = /malformed|not a database|no such (?:table|column)/;
/** Its codes where the file was deleted: the folder is gone, or another file is in its place. */
const cannotOpen = 14;
const moved = 1032;
/** Another process writes for milliseconds; one that is stopped in the middle of it is not waited for. */
const busyMs = 10_000;

/**
 * Opens the file, whose rows come as arrays, or makes it, readable for this user alone.
 * @param format number of the tables' format; a file of another one counts as damaged
 * @param schema SQL that makes the tables in an empty file
 * @throws Error with SQLite's code in `errcode`
 */
export function openFile(path: string, format: number, schema: string): DatabaseSyncInstance {
  makePrivate(path);
  const database = new DatabaseSync(path, { timeout: busyMs, defensive: true, returnArrays: true });
  try {
    // No memory map: a file that somebody cuts off would end the process. Rewriting on deletion leaves no trace in free pages.
    database.exec(`
      PRAGMA mmap_size = 0;
      PRAGMA cell_size_check = ON;
      PRAGMA trusted_schema = OFF;
      PRAGMA temp_store = MEMORY;
      PRAGMA secure_delete = ON;
      PRAGMA journal_mode = TRUNCATE;
      PRAGMA synchronous = NORMAL;
    `);
    if (versionOf(database) === 0) initialize(database, format, schema);
    const found = versionOf(database) === format ? damageIn(database) : `format ${versionOf(database)}`;
    if (found !== undefined) throw Object.assign(new Error(found), { errcode: corrupt });
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Makes file and folder where they are missing, and takes them from other users where they come from a backup, say. */
function makePrivate(path: string): void {
  const folder = dirname(path);
  for (const step of [
    () => mkdirSync(dirname(folder), { mode: 0o700 }),
    () => mkdirSync(folder, { mode: 0o700 }),
    () => chmodSync(folder, 0o700),
    () => closeSync(openSync(path, "a", 0o600)),
    () => chmodSync(path, 0o600),
  ])
    try {
      step();
    } catch {
      // There already, read-only, or another user's: SQLite reads what is there, or says what is missing.
    }
}

function initialize(database: DatabaseSyncInstance, format: number, schema: string): void {
  database.exec("PRAGMA auto_vacuum = FULL; BEGIN IMMEDIATE");
  try {
    // Another process may have been faster.
    if (versionOf(database) === 0) database.exec(`${schema}; PRAGMA user_version = ${format}`);
    database.exec("COMMIT");
  } catch (error) {
    database.exec("ROLLBACK");
    throw error;
  }
}

/** Reads the whole file, which brings it into the system's cache as well. @returns what is damaged, if anything is */
function damageIn(database: DatabaseSyncInstance): string | undefined {
  const [found]: [string] = database.prepare("PRAGMA integrity_check(1)").get();
  return found === "ok" ? undefined : found;
}

function versionOf(database: DatabaseSyncInstance): number {
  const [version]: [number] = database.prepare("PRAGMA user_version").get();
  return version;
}

function codeOf(error: unknown): number {
  return error instanceof Error && "errcode" in error && typeof error.errcode === "number" ? error.errcode : 0;
}

/** Whether the error says that the file is damaged, or is something else. */
export function isDamage(error: unknown): boolean {
  const code = codeOf(error);
  return code === shortRead || (code & 0xff) === corrupt || (error instanceof Error && damageText.test(error.message));
}

/** Whether the error says that somebody deleted the file or its folder. */
export function isDeleted(error: unknown): boolean {
  const code = codeOf(error);
  return code === moved || (code & 0xff) === cannotOpen;
}
