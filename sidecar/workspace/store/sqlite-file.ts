// Opens an SQLite file that is private, is checked for damage, and leaves no trace of deleted data.
import { chmodSync, closeSync, mkdirSync, openSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type DatabaseSyncInstance } from "@photostructure/sqlite";
import { isSpecialFile } from "../../host/regular-file";

/** SQLite's result codes: damaged, too short. */
const corrupt = 11;
const shortRead = 522;
/** Some errors of the library have no code. The statements are correct, so that a missing table means damage. */
const damageText = /malformed|not a database|no such (?:table|column)/;
/** SQLite's result codes when the file was deleted: the folder does not exist, or another file is in its place. */
const cannotOpen = 14;
const moved = 1032;
/** Milliseconds to wait for another process, which writes for a few: it may have been stopped in the middle. */
const busyMs = 10_000;

/**
 * Opens the file, or makes it, readable for this user only. Rows are returned as arrays.
 * @param format number of the tables' format; a file with another one counts as damaged
 * @param schema SQL that makes the tables in an empty file
 * @throws Error with SQLite's code in `errcode`
 */
export function openFile(path: string, format: number, schema: string): DatabaseSyncInstance {
  if (isSpecialFile(path)) throw Object.assign(new Error("it is a pipe, a socket or a device"), { errcode: corrupt });
  // SQLite would wait for a writer to a named pipe. A journal without content is none.
  if (isSpecialFile(`${path}-journal`)) rmSync(`${path}-journal`, { force: true });
  makePrivate(path);
  const database = new DatabaseSync(path, { timeout: busyMs, defensive: true, returnArrays: true });
  try {
    // No memory map: truncating the file would end the process. With secure_delete, deleted data is overwritten.
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

/** Makes file and folder when they are missing, and removes other users' access, which they may have after a restored backup. */
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
      // It exists, is read-only, or belongs to another user: SQLite reads it, or reports what is missing.
    }
}

function initialize(database: DatabaseSyncInstance, format: number, schema: string): void {
  database.exec("PRAGMA auto_vacuum = FULL; BEGIN IMMEDIATE");
  try {
    // Another process may have done it meanwhile.
    if (versionOf(database) === 0) database.exec(`${schema}; PRAGMA user_version = ${format}`);
    database.exec("COMMIT");
  } catch (error) {
    database.exec("ROLLBACK");
    throw error;
  }
}

/** Reads the whole file, which also puts it into the system's cache. @returns what is damaged, if anything is */
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

/** Whether the error means that the file is damaged, or not an SQLite file. */
export function isDamage(error: unknown): boolean {
  const code = codeOf(error);
  return code === shortRead || (code & 0xff) === corrupt || (error instanceof Error && damageText.test(error.message));
}

/** Whether the error means that the file or its folder was deleted. */
export function isDeleted(error: unknown): boolean {
  const code = codeOf(error);
  return code === moved || (code & 0xff) === cannotOpen;
}
