// What the store knows of a workspace folder's files, on disk: a second start reads no file that has not changed.
import { createHash } from "node:crypto";
import { type FileHandle, open, readdir, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import type { SkipReason } from "./omission";
import { beginWriting, endWriting, mayBeWritten, ownedName } from "./owner";
import { Pace } from "./pace";
import type { VectorKey } from "./record-block";

/** A fragment of a file, and the key its expression is stored under. */
export interface StoredFragment {
  /** 1-based, inclusive. */
  readonly startLine: number;
  readonly endLine: number;
  readonly key: VectorKey;
  readonly text: string;
  /** Signatures of the definitions around it; see `Chunk`. */
  readonly scope?: readonly string[];
}

/** A file as it was when it was read. It stands for the file as long as size and time are the same. */
export interface FileEntry {
  readonly size: number;
  /** Milliseconds since 1970. */
  readonly modified: number;
  /** Set when the content left it out. */
  readonly skip?: SkipReason;
  readonly fragments: readonly StoredFragment[];
}

/** Rises when the lines of a log mean something else, or other content is left out. */
const format = 2;
const checksumDigits = 12;

const headerSchema = v.object({ format: v.literal(format), folder: v.string(), chunker: v.string() });
const number = v.number();
const lineSchema = v.union([
  // Tried in this order, so the most frequent first.
  v.object({
    path: v.string(),
    size: number,
    modified: number,
    fragments: v.array(v.tupleWithRest([number, number, v.string(), v.string()], v.array(v.string()))),
  }),
  v.object({ path: v.string(), size: number, modified: number, skip: v.string() }),
  v.object({ path: v.string(), gone: v.literal(true) }),
]);

/**
 * A log of lines `checksum JSON`, the last line about a path holding. Every process appends to a log of its own and reads
 * all logs of the folder; since an entry is only used while it matches the file on disk, it does not matter whose is newer.
 */
export class Manifest {
  private file: FileHandle | undefined;
  private ownLog: string | undefined;
  private queue: Promise<void> = Promise.resolve();
  /** Logs read at the start: superseded once all is written anew. */
  private readonly read: string[] = [];
  private lines = 0;
  private writeFailed = false;

  private constructor(
    private readonly directory: string,
    private readonly header: v.InferOutput<typeof headerSchema>,
    private readonly warn: (message: string) => void,
  ) {}

  /** Reads what is known of the folder with this URI. Damaged lines are passed over with one warning. */
  static async open(
    directory: string,
    folder: string,
    chunker: string,
    warn: (message: string) => void,
  ): Promise<{ manifest: Manifest; files: Map<string, FileEntry> }> {
    const manifest = new Manifest(directory, { format, folder, chunker }, warn);
    return { manifest, files: await manifest.load() };
  }

  /** Notes what a file is now, or that it is gone. Never rejects: a manifest that cannot be written costs reading the file again. */
  record(path: string, entry: FileEntry | undefined): void {
    const line = serialise(path, entry);
    this.lines++;
    this.queue = this.queue.then(async () => {
      try {
        this.file ??= await this.begin();
        await this.file.appendFile(line);
      } catch (error) {
        this.failed(error);
      }
    });
  }

  async flush(): Promise<void> {
    await this.queue;
  }

  async close(): Promise<void> {
    await this.queue;
    await this.endLog();
  }

  private async endLog(): Promise<void> {
    await this.file?.close().catch(() => {});
    this.file = undefined;
    if (this.ownLog !== undefined) endWriting(this.ownLog);
  }

  /** Whether the logs hold so much that no longer holds, or are so many, that writing them anew is worth it. */
  worthRewriting(files: number): boolean {
    return this.read.length > 3 || this.lines > 2 * files + 100;
  }

  /**
   * Writes all entries into one new log and deletes the logs it supersedes, those of running processes excepted. What is
   * recorded meanwhile comes behind them.
   */
  rewrite(files: ReadonlyMap<string, FileEntry>): Promise<void> {
    const rewritten = this.queue.then(() => this.writeAnew(files));
    this.queue = rewritten.catch(() => {});
    return rewritten;
  }

  private async writeAnew(files: ReadonlyMap<string, FileEntry>): Promise<void> {
    const superseded = [...this.read, ...(this.ownLog === undefined ? [] : [this.ownLog])];
    await this.endLog();
    const name = this.logName();
    const path = join(this.directory, name);
    const temporary = path.replace(/\.log$/, ".tmp");
    try {
      const file = await open(temporary, "wx");
      try {
        await file.appendFile(checked(this.header));
        const pace = new Pace();
        for (const [each, entry] of files) {
          await file.appendFile(serialise(each, entry));
          await pace.rest();
        }
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, path);
      beginWriting(name);
      this.file = await open(path, "a");
    } catch (error) {
      await rm(temporary, { force: true });
      this.failed(error);
      return;
    }
    this.lines = files.size;
    this.read.length = 0;
    for (const each of superseded) {
      if (each === this.ownLog || !(await isInUse(this.directory, each)))
        await rm(join(this.directory, each), { force: true });
      else this.read.push(each);
    }
    this.ownLog = name;
  }

  private async begin(): Promise<FileHandle> {
    const name = this.logName();
    const path = join(this.directory, name);
    const file = await open(path, "ax");
    try {
      await file.appendFile(checked(this.header));
    } catch (error) {
      await file.close();
      await rm(path, { force: true });
      throw error;
    }
    beginWriting(name);
    this.ownLog = name;
    return file;
  }

  private logName(): string {
    return `${logPrefix(this.header.folder)}${ownedName()}.log`;
  }

  private async load(): Promise<Map<string, FileEntry>> {
    const files = new Map<string, FileEntry>();
    const prefix = logPrefix(this.header.folder);
    let damaged = 0;
    // Names begin with the time they were made at: later logs come later, mostly.
    for (const name of (await readdir(this.directory))
      .filter((each) => each.startsWith(prefix) && each.endsWith(".log"))
      .sort()) {
      const path = join(this.directory, name);
      let valid = false;
      try {
        await forEachLine(path, (value) => {
          if (value === undefined) damaged++;
          else if (!valid) {
            valid =
              v.is(headerSchema, value) && value.folder === this.header.folder && value.chunker === this.header.chunker;
            return valid;
          } else {
            const line = v.safeParse(lineSchema, value);
            this.lines++;
            if (!line.success) damaged++;
            else if ("gone" in line.output) files.delete(line.output.path);
            else files.set(line.output.path, entryOf(line.output));
          }
          return true;
        });
        this.read.push(name);
        // Its time says when it was last of use.
        const now = new Date();
        await utimes(path, now, now).catch(() => {});
      } catch (error) {
        // Written anew by another process in this moment, or unreadable: its files are read again.
        if (!(error instanceof Error && "code" in error && error.code === "ENOENT"))
          this.warn(`${path}: could not be read (${messageOf(error)}): its files are read again.`);
      }
    }
    if (damaged > 0)
      this.warn(
        `The index of ${this.header.folder}: ${damaged} damaged or unfinished lines were passed over: their files are read again.`,
      );
    return files;
  }

  private failed(error: unknown): void {
    if (!this.writeFailed)
      this.warn(
        `The list of files could not be written to ${this.directory} (${messageOf(error)}): files are read again at the next start.`,
      );
    this.writeFailed = true;
  }
}

/** Every key that any log in the directory mentions, with the time of the log in seconds since 1970. */
export async function keysInUse(directory: string): Promise<Map<VectorKey, number>> {
  const used = new Map<VectorKey, number>();
  for (const name of await readdir(directory)) {
    if (!name.startsWith("files-") || !name.endsWith(".log")) continue;
    try {
      const path = join(directory, name);
      const time = Math.floor((await stat(path)).mtimeMs / 1000);
      await forEachLine(path, (value) => {
        const line = v.safeParse(lineSchema, value);
        if (line.success && "fragments" in line.output)
          for (const { key } of entryOf(line.output).fragments) used.set(key, Math.max(time, used.get(key) ?? 0));
        return true;
      });
    } catch {}
  }
  return used;
}

function logPrefix(folder: string): string {
  return `files-${createHash("sha256").update(folder).digest("hex").slice(0, 12)}-`;
}

async function isInUse(directory: string, name: string): Promise<boolean> {
  try {
    return mayBeWritten(name, (await stat(join(directory, name))).mtimeMs);
  } catch {
    return false;
  }
}

/** @param visit gets each line's value, undefined for one that is damaged; returns whether to go on */
async function forEachLine(path: string, visit: (value: unknown) => boolean): Promise<void> {
  const content = await readFile(path);
  const pace = new Pace();
  for (let start = 0; start < content.length; ) {
    const newline = content.indexOf(10, start);
    const end = newline < 0 ? content.length : newline;
    if (!visit(newline < 0 ? undefined : parseLine(content.subarray(start, end)))) return;
    start = end + 1;
    if (pace.due) await pace.rest();
  }
}

function parseLine(line: Buffer): unknown {
  const json = line.subarray(checksumDigits + 1);
  if (line.toString("latin1", 0, checksumDigits) !== checksum(json)) return undefined;
  const value: unknown = JSON.parse(json.toString("utf8"));
  return value;
}

function serialise(path: string, entry: FileEntry | undefined): Buffer {
  if (entry === undefined) return checked({ path, gone: true });
  const { size, modified, skip, fragments } = entry;
  if (skip !== undefined) return checked({ path, size, modified, skip });
  return checked({
    path,
    size,
    modified,
    fragments: fragments.map(({ startLine, endLine, key, text, scope }) => [
      startLine,
      endLine,
      Buffer.from(key, "latin1").toString("base64"),
      text,
      ...(scope === undefined ? [] : [scope]),
    ]),
  });
}

function entryOf(line: Exclude<v.InferOutput<typeof lineSchema>, { gone: true }>): FileEntry {
  const { size, modified } = line;
  if ("skip" in line) return { size, modified, skip: skipReason(line.skip), fragments: [] };
  return {
    size,
    modified,
    fragments: line.fragments.map(([startLine, endLine, key, text, scope]) =>
      storedFragment(startLine, endLine, Buffer.from(key, "base64").toString("latin1"), text, scope),
    ),
  };
}

function storedFragment(
  startLine: number,
  endLine: number,
  key: VectorKey,
  text: string,
  scope: readonly string[] | undefined,
): StoredFragment {
  return scope === undefined ? { startLine, endLine, key, text } : { startLine, endLine, key, text, scope };
}

function skipReason(text: string): SkipReason {
  const known: readonly SkipReason[] = ["binary", "minified", "generated", "secret", "not UTF-8", "empty"];
  return known.find((reason) => reason === text) ?? "unreadable";
}

function checked(value: unknown): Buffer {
  const json = Buffer.from(JSON.stringify(value));
  return Buffer.concat([Buffer.from(`${checksum(json)} `), json, Buffer.from("\n")]);
}

function checksum(json: Uint8Array): string {
  return createHash("sha256").update(json).digest("hex").slice(0, checksumDigits);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
