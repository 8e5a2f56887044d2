// Lists the files of a workspace folder that may be indexed, and reads one of them.
import { lstat, open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { readContent, skipByName, type SkipReason } from "./content";
import type { IgnoreRules } from "./ignore";

const statsAtOnce = 16;

/** A file as listed. */
export interface ListedFile {
  /** From the folder, with `/`. */
  readonly path: string;
  readonly size: number;
  /** Milliseconds since 1970, with the fraction that the file system keeps. */
  readonly modified: number;
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
  readonly skip: (path: string, reason: SkipReason) => void;
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
  yield* walkFolder(root, options.from, options);
}

async function* walkFolder(root: string, folder: string, options: WalkOptions): AsyncGenerator<ListedFile> {
  const { rules, nested, skip, signal } = options;
  signal?.throwIfAborted();
  let entries;
  try {
    entries = await readdir(join(root, folder), { withFileTypes: true });
  } catch (error) {
    skip(folder, failureReason(error));
    return;
  }
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  // Asked of several files at once: on slow disks the waiting is most of the work.
  const asked: { path: string; file: Promise<ListedFile | { skip: SkipReason }> }[] = [];
  const folders: string[] = [];
  const answered = async function* (leave: number): AsyncGenerator<ListedFile> {
    while (asked.length > leave) {
      const first = asked.shift();
      if (first === undefined) return;
      const file = await first.file;
      if ("skip" in file) skip(first.path, file.skip);
      else yield file;
    }
  };
  for (const entry of entries) {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isSymbolicLink()) skip(path, "symbolic link");
    else if (entry.isDirectory()) {
      if (nested.has(path)) continue;
      if (await rules.skips(path, true)) skip(path, "ignored");
      else folders.push(path);
    } else if (!entry.isFile()) skip(path, "not a regular file");
    else if (await rules.skips(path, false)) skip(path, "ignored");
    else {
      signal?.throwIfAborted();
      asked.push({ path, file: describe(root, path, options.maxBytes) });
      yield* answered(statsAtOnce);
    }
  }
  yield* answered(0);
  for (const path of folders) yield* walkFolder(root, path, options);
}

/** Size and time of one file, or why its name or size already leaves it out. */
async function describe(root: string, path: string, maxBytes: number): Promise<ListedFile | { skip: SkipReason }> {
  try {
    const { size, mtimeMs } = await stat(join(root, path));
    const reason = skipByName(path, size, maxBytes);
    return reason === undefined ? { path, size, modified: mtimeMs } : { skip: reason };
  } catch (error) {
    return { skip: failureReason(error) };
  }
}

/** Whether the path below `root` is a symbolic link or goes through one: the walk does not get there. @throws Error when there is no such file */
export async function leadsThroughLink(root: string, path: string): Promise<boolean> {
  for (let slash = path.indexOf("/"); ; slash = path.indexOf("/", slash + 1)) {
    if ((await lstat(join(root, slash < 0 ? path : path.slice(0, slash)))).isSymbolicLink()) return true;
    if (slash < 0) return false;
  }
}

/** A file's text with the size and time it was read at, or why it is left out. Never throws, never reads over `maxBytes`. */
export type ReadFile =
  | { readonly text: string; readonly size: number; readonly modified: number }
  | { readonly skip: SkipReason; readonly size: number; readonly modified: number };

export async function readSource(root: string, path: string, maxBytes: number): Promise<ReadFile> {
  let size = 0;
  let modified = 0;
  try {
    const file = await open(join(root, path), "r");
    try {
      // Asked of the open file: time and content then belong together, whatever happens to the name meanwhile.
      const found = await file.stat();
      ({ size, mtimeMs: modified } = found);
      if (!found.isFile()) return { skip: "not a regular file", size, modified };
      const reason = skipByName(path, size, maxBytes);
      if (reason !== undefined) return { skip: reason, size, modified };
      const bytes = new Uint8Array(size);
      let read = 0;
      while (read < size) {
        const { bytesRead } = await file.read(bytes, read, size - read, read);
        if (bytesRead === 0) break;
        read += bytesRead;
      }
      return { ...readContent(bytes.subarray(0, read)), size, modified };
    } finally {
      await file.close();
    }
  } catch (error) {
    return { skip: failureReason(error), size, modified };
  }
}

function failureReason(error: unknown): SkipReason {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ENOENT" || code === "ENOTDIR" ? "deleted meanwhile" : "unreadable";
}
