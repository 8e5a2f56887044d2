// Lists the files of a workspace folder that may be indexed, and reads one of them.
import * as fs from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { errorCode, errorMessage } from "../../host/errors";
import { readFlagsNoLink } from "../../host/regular-file";
import { contentHash } from "../store/keys";
import { excludeByName, readContent, type SourceText } from "./content";
import type { Exclusion, ExclusionReason } from "./exclusion";
import type { IgnoreRules } from "./ignore";

/** Promisified callbacks: with one call for every file, they take two thirds of the processor time of `fs/promises`. */
const lstat = promisify(fs.lstat);
const open = promisify(fs.open);
const fstat = promisify(fs.fstat);
const read = promisify(fs.read);
const close = promisify(fs.close);
const linksAreNotFollowed =
  "links are not followed: what they point to inside the workspace is indexed by its own path";
const statsAtOnce = 16;
const foldersAtOnce = 8;

/** By these, a file that has changed is told from one that has not. */
export interface FileState {
  /** In bytes. */
  readonly size: number;
  /**
   * When its content changed last (mtime), and when content, name or attributes did (ctime): milliseconds since 1970, with
   * fractions. Programs may set the first to an earlier time, for example when they unpack an archive; never the second.
   */
  readonly modified: number;
  readonly changed: number;
}

/** A file as listed. */
export interface ListedFile extends FileState {
  /** From the folder, with `/`. */
  readonly path: string;
}

export interface WalkOptions {
  readonly rules: IgnoreRules;
  /** Folder below the root to begin at, `""` for the root itself. */
  readonly from: string;
  /** Folders below the root that are workspace folders themselves: they list their own files. */
  readonly nested: ReadonlySet<string>;
  /** Files larger than this are excluded. */
  readonly maxBytes: number;
  /** Called for every entry that is excluded; an excluded folder counts once. */
  readonly onExcluded: (path: string, reason: ExclusionReason) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Files below `root`/`from`, a folder's files before its folders, each in name order. Symbolic links are not followed: files
 * they point to inside the folder are listed by their own path, and there can be no loops. Folders that cannot be read are excluded.
 * @throws Error when `root`/`from` itself cannot be read; the signal's reason when it is aborted
 */
export async function* walk(root: string, options: WalkOptions): AsyncGenerator<ListedFile> {
  // A workspace folder that cannot be read is an error; a folder inside of it is not.
  await readdir(join(root, options.from));
  yield* walkFolder(await readFolder(root, options.from, options), root, options);
}

/** The entries of one folder. */
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
  // The next folders are read while one is walked: on slow disks, and with many small folders, most of the time is waiting.
  const reading: Promise<Folder>[] = [];
  for (let at = 0; at < folders.length; at++) {
    for (const path of folders.slice(reading.length, at + foldersAtOnce)) {
      const read = readFolder(root, path, options);
      // An error is thrown when its turn comes; if the walk ends before that, it must not count as unhandled.
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
    // Several files at once, for the same reason.
    const reading = found.slice(start, start + statsAtOnce).map(async (entry) => {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (entry.isDirectory() && nested.has(path)) return undefined;
      const exclusion = await excludeEntry(entry, path, rules);
      if (exclusion !== undefined) return { path, reason: exclusion.reason };
      if (entry.isDirectory()) return path;
      const file = await statFile(root, path, maxBytes);
      return "reason" in file ? { path, reason: file.reason } : file;
    });
    for (const each of await Promise.all(reading)) {
      if (typeof each === "string") folders.push(each);
      else if (each !== undefined) entries.push(each);
    }
  }
  return { entries, folders };
}

/** Why an entry is excluded by its kind or path, if it is. */
async function excludeEntry(
  entry: Pick<fs.Stats, "isSymbolicLink" | "isDirectory" | "isFile">,
  path: string,
  rules: IgnoreRules,
): Promise<Exclusion | undefined> {
  if (entry.isSymbolicLink()) return { reason: "symbolic link", detail: linksAreNotFollowed };
  if (!entry.isDirectory() && !entry.isFile())
    return { reason: "not a regular file", detail: "it is a pipe, a socket or a device" };
  return rules.exclusionOf(path, entry.isDirectory());
}

/** Size and times of one file, or why its name or size excludes it. */
async function statFile(root: string, path: string, maxBytes: number): Promise<ListedFile | Exclusion> {
  try {
    const { size, mtimeMs, ctimeMs } = await lstat(join(root, path));
    return excludeByName(path, size, maxBytes) ?? { path, size, modified: mtimeMs, changed: ctimeMs };
  } catch (error) {
    return failure(error);
  }
}

/** What the walk finds at one path. */
export type Examined =
  | { readonly file: ListedFile }
  /** A folder that is walked. */
  | { readonly folder: string }
  /** `at`: the path itself, or the excluded folder above it. */
  | (Exclusion & { readonly at: string });

/**
 * Whether the walk comes to a path below `root`, and if not, which path is excluded and why.
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
    const file = await statFile(root, at, maxBytes);
    return "reason" in file ? { ...file, at } : { file };
  }
  return { folder: path };
}

/** The bytes of a file, or why it is excluded, with its size and times as it was read. */
type FileBytes = ({ readonly bytes: Uint8Array } | Exclusion) & FileState;

/** Never throws, and never reads more than `maxBytes`. */
export async function readBytes(root: string, path: string, maxBytes: number): Promise<FileBytes> {
  let size = 0;
  let modified = 0;
  let changed = 0;
  try {
    // A link or pipe may have taken the file's place since it was listed.
    const file = await open(join(root, path), readFlagsNoLink);
    try {
      // Of the open file, so that time and content belong together even when another file gets the name.
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

/** The text of a file and its {@link contentHash}, or why it is excluded, with its size and times as it was read. */
export type ReadFile = (SourceText | Exclusion) & FileState & { readonly hash: string };

/** Never throws, and never reads more than `maxBytes`. */
export async function readSource(root: string, path: string, maxBytes: number): Promise<ReadFile> {
  const found = await readBytes(root, path, maxBytes);
  if ("reason" in found) return { ...found, hash: "" };
  const { bytes, size, modified, changed } = found;
  return { ...readContent(bytes, path), size, modified, changed, hash: contentHash(bytes) };
}

function failure(error: unknown): Exclusion {
  const code = errorCode(error);
  const detail = errorMessage(error);
  if (code === "ELOOP") return { reason: "symbolic link", detail: linksAreNotFollowed };
  // Node.js replaces bytes that are not UTF-8 by this character, and then finds no such file.
  if (code === "ENOENT" && detail.includes("\uFFFD"))
    return { reason: "unreadable", detail: "its name is not UTF-8 text" };
  return { reason: code === "ENOENT" || code === "ENOTDIR" ? "deleted meanwhile" : "unreadable", detail };
}
