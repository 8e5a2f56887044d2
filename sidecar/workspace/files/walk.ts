// Lists the files of a workspace folder that may be indexed, and reads one of them.

import * as fs from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { errorCode, errorMessage } from "../../host/errors";
import { contentHash } from "../store/keys";
import { excludeByName, readContent } from "./content";
import type { Exclusion, ExclusionReason } from "./exclusion";
import type { IgnoreRules } from "./ignore";

/** Asked of every file, these take two thirds of the processor time that those of `fs/promises` take. */
const stat = promisify(fs.stat);
const open = promisify(fs.open);
const fstat = promisify(fs.fstat);
const read = promisify(fs.read);
const close = promisify(fs.close);
const statsAtOnce = 16;
const foldersAtOnce = 8;

/** A file as listed. */
export interface ListedFile {
  /** From the folder, with `/`. */
  readonly path: string;
  readonly size: number;
  /**
   * When its content changed last, and when content, name or attributes did: milliseconds since 1970, with the fraction
   * that the file system keeps. Programs set the first back, as when they unpack an archive, and never the second.
   */
  readonly modified: number;
  readonly changed: number;
}

export interface WalkOptions {
  readonly rules: IgnoreRules;
  /** Folder below the root to begin at, `""` for the root itself. */
  readonly from: string;
  /** Folders below the root that are workspace folders of their own: left to these, without a word. */
  readonly nested: ReadonlySet<string>;
  /** Files larger than this are left out. */
  readonly maxBytes: number;
  /** Told about every entry that is left out; an ignored folder counts once. */
  readonly onExcluded: (path: string, reason: ExclusionReason) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Files below `root`/`from`, a folder's files before its folders, each in name order. Symbolic links are not followed: what they point to inside the folder
 * is listed by its own path, and loops cannot arise. Folders that cannot be read are reported and passed over.
 * @throws Error when `root`/`from` itself cannot be read; the signal's reason when it is aborted
 */
export async function* walk(root: string, options: WalkOptions): AsyncGenerator<ListedFile> {
  // Asked for by itself: an unreadable workspace folder is an error, an unreadable folder inside is not.
  await readdir(join(root, options.from));
  yield* walkFolder(await readFolder(root, options.from, options), root, options);
}

/** What stands in one folder. */
interface Folder {
  readonly entries: readonly (ListedFile | { readonly path: string; readonly reason: ExclusionReason })[];
  /** Paths of the folders in it that are walked too. */
  readonly folders: readonly string[];
}

async function* walkFolder(
  { entries, folders }: Folder,
  root: string,
  options: WalkOptions,
): AsyncGenerator<ListedFile> {
  options.signal?.throwIfAborted();
  for (const entry of entries) {
    if ("reason" in entry) options.onExcluded(entry.path, entry.reason);
    else yield entry;
  }
  // The next folders are read while one is walked: on slow disks, and for many small folders, the waiting is most of the work.
  const reading: Promise<Folder>[] = [];
  for (let at = 0; at < folders.length; at++) {
    for (const path of folders.slice(reading.length, at + foldersAtOnce)) {
      const read = readFolder(root, path, options);
      // Looked at when its turn comes; where the walk ends before, nobody does.
      read.catch(() => {});
      reading.push(read);
    }
    const next = reading[at];
    if (next !== undefined) yield* walkFolder(await next, root, options);
  }
}

/** @throws the signal's reason when it is aborted */
async function readFolder(
  root: string,
  folder: string,
  { rules, nested, maxBytes, signal }: WalkOptions,
): Promise<Folder> {
  signal?.throwIfAborted();
  let found: fs.Dirent[];
  try {
    found = await readdir(join(root, folder), { withFileTypes: true });
  } catch (error) {
    return { entries: [{ path: folder, reason: failure(error).reason }], folders: [] };
  }
  found.sort((a, b) => (a.name < b.name ? -1 : 1));
  rules.enter(folder, new Set(found.map(({ name }) => name)));
  const entries: (ListedFile | { path: string; reason: ExclusionReason })[] = [];
  const folders: string[] = [];
  for (let start = 0; start < found.length; start += statsAtOnce) {
    signal?.throwIfAborted();
    // Asked of several files at once, for the same reason.
    const asked = found.slice(start, start + statsAtOnce).map(async (entry) => {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory() && nested.has(path)) return undefined;
      const exclusion = await excludeEntry(entry, path, rules);
      if (exclusion !== undefined) return { path, reason: exclusion.reason };
      if (entry.isDirectory()) return path;
      const file = await describe(root, path, maxBytes);
      return "reason" in file ? { path, reason: file.reason } : file;
    });
    for (const each of await Promise.all(asked)) {
      if (typeof each === "string") folders.push(each);
      else if (each !== undefined) entries.push(each);
    }
  }
  return { entries, folders };
}

/** Why what lies at a path is left out before its size is asked for, if it is. */
async function excludeEntry(
  entry: Pick<fs.Stats, "isSymbolicLink" | "isDirectory" | "isFile">,
  path: string,
  rules: IgnoreRules,
): Promise<Exclusion | undefined> {
  if (entry.isSymbolicLink())
    return {
      reason: "symbolic link",
      detail: "links are not followed: what they point to inside the workspace is indexed by its own path",
    };
  if (!entry.isDirectory() && !entry.isFile())
    return { reason: "not a regular file", detail: "it is a pipe, a socket or a device" };
  return rules.exclusionOf(path, entry.isDirectory());
}

/** Size and time of one file, or why its name or size already leaves it out. */
async function describe(root: string, path: string, maxBytes: number): Promise<ListedFile | Exclusion> {
  try {
    const { size, mtimeMs, ctimeMs } = await stat(join(root, path));
    return excludeByName(path, size, maxBytes) ?? { path, size, modified: mtimeMs, changed: ctimeMs };
  } catch (error) {
    return failure(error);
  }
}

/** What the walk makes of one path. */
export type Examined =
  | { readonly file: ListedFile }
  /** A folder that is walked. */
  | { readonly folder: string }
  /** `at`: the path itself, or the folder above it that is left out. */
  | (Exclusion & { readonly at: string });

/**
 * Whether the walk comes to a path below `root`, and if not, where it turns away and why.
 * @param path from the root, with `/`; `""` for the root itself
 * @throws Error when there is nothing at the path
 */
export async function examine(
  root: string,
  path: string,
  { rules, maxBytes }: Pick<WalkOptions, "rules" | "maxBytes">,
): Promise<Examined> {
  const parts = path === "" ? [] : path.split("/");
  for (let depth = 1; depth <= parts.length; depth++) {
    const at = parts.slice(0, depth).join("/");
    const entry = await lstat(join(root, at));
    const exclusion = await excludeEntry(entry, at, rules);
    if (exclusion !== undefined) return { ...exclusion, at };
    if (entry.isDirectory()) continue;
    if (depth < parts.length)
      throw Object.assign(new Error(`${join(root, at)} is a file, so there is nothing at ${join(root, path)}`), {
        code: "ENOENT",
      });
    const file = await describe(root, at, maxBytes);
    return "reason" in file ? { ...file, at } : { file };
  }
  return { folder: path };
}

/** The bytes of a file with the size and times it was read at, or why it is left out. Never throws, never reads over `maxBytes`. */
export type FileBytes = ({ readonly bytes: Uint8Array } | Exclusion) &
  Pick<ListedFile, "size" | "modified" | "changed">;

export async function readBytes(root: string, path: string, maxBytes: number): Promise<FileBytes> {
  let size = 0;
  let modified = 0;
  let changed = 0;
  try {
    const file = await open(join(root, path), "r");
    try {
      // Asked of the open file: time and content then belong together, whatever happens to the name meanwhile.
      const found = await fstat(file);
      ({ size, mtimeMs: modified, ctimeMs: changed } = found);
      const at = { size, modified, changed };
      if (!found.isFile())
        return { reason: "not a regular file", detail: "something else took the file's place", ...at };
      const exclusion = excludeByName(path, size, maxBytes);
      if (exclusion !== undefined) return { ...exclusion, ...at };
      const bytes = new Uint8Array(size);
      let length = 0;
      while (length < size) {
        const { bytesRead } = await read(file, bytes, length, size - length, length);
        if (bytesRead === 0) break;
        length += bytesRead;
      }
      return { bytes: bytes.subarray(0, length), ...at };
    } finally {
      await close(file);
    }
  } catch (error) {
    return { ...failure(error), size, modified, changed };
  }
}

/** A file's text, its {@link contentHash}, and the size and times it was read at, or why it is left out. Never throws, never reads over `maxBytes`. */
export type ReadFile = ({ readonly text: string } | Exclusion) &
  Pick<ListedFile, "size" | "modified" | "changed"> & { readonly hash: string };

export async function readSource(root: string, path: string, maxBytes: number): Promise<ReadFile> {
  const found = await readBytes(root, path, maxBytes);
  if ("reason" in found) return { ...found, hash: "" };
  const { bytes, size, modified, changed } = found;
  return { ...readContent(bytes, path), size, modified, changed, hash: contentHash(bytes) };
}

function failure(error: unknown): Exclusion {
  const code = errorCode(error);
  const detail = errorMessage(error);
  // Node.js puts this character where bytes are no UTF-8, and then finds no such file.
  if (code === "ENOENT" && detail.includes("\uFFFD"))
    return { reason: "unreadable", detail: "its name is no UTF-8 text" };
  return { reason: code === "ENOENT" || code === "ENOTDIR" ? "deleted meanwhile" : "unreadable", detail };
}
