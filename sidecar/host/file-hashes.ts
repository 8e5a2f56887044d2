// SHA-256 of files; that of a large file is remembered with its size and times, so that it is read once and not at every start.
import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import * as v from "valibot";
import { makeFolder } from "./make-folder";

/** Smaller files are read every time: that takes some hundredths of a second at most. */
const minRememberedBytes = 32 * 2 ** 20;
/** Files remembered; the one remembered first gives way. */
const maxRemembered = 64;
/** A file changed this shortly before may be changed again without a new time, on file systems with coarse times. */
const settledNs = 2_000_000_000n;

const rememberedSchema = v.strictObject({
  version: v.literal(1),
  files: v.record(
    v.string(),
    v.strictObject({ state: v.string(), sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)) }),
  ),
});

/** What {@link FileHashes} remembers of one file: `state` is its size, its inode and its times of change, in nanoseconds. */
type Remembered = v.InferOutput<typeof rememberedSchema>["files"][string];

/** SHA-256 of files, with a memory in a file of its own. */
export class FileHashes {
  private changed = false;

  private constructor(
    private readonly path: string | undefined,
    private readonly remembered: Map<string, Remembered>,
  ) {}

  /**
   * @param path file that remembers the hashes of large files; undefined: every file is read. One that is absent or damaged
   * counts as empty.
   */
  static async open(path: string | undefined): Promise<FileHashes> {
    const content: unknown =
      path &&
      (await readFile(path, "utf8")
        .then(JSON.parse)
        .catch(() => undefined));
    const parsed = v.safeParse(rememberedSchema, content);
    return new FileHashes(path, new Map(parsed.success ? Object.entries(parsed.output.files) : []));
  }

  /**
   * 64 lower-case hexadecimal digits.
   * @throws Error where the file cannot be read.
   */
  async sha256(path: string): Promise<string> {
    const before = await stateOf(path);
    const known = this.remembered.get(path);
    if (known !== undefined && known.state === before.state) return known.sha256;
    const sha256 = await hashFile(path);
    const after = await stateOf(path);
    if (before.bytes >= minRememberedBytes && before.settled && after.state === before.state) {
      this.remembered.delete(path);
      this.remembered.set(path, { state: before.state, sha256 });
      for (const oldest of this.remembered.keys()) {
        if (this.remembered.size <= maxRemembered) break;
        this.remembered.delete(oldest);
      }
      this.changed = true;
    }
    return sha256;
  }

  /** Writes what was learnt. Where that fails, the files are read again at the next start. */
  async save(): Promise<void> {
    if (this.path === undefined || !this.changed) return;
    const scratch = `${this.path}.${randomUUID()}`;
    const content = { version: 1, files: Object.fromEntries(this.remembered) };
    try {
      await makeFolder(dirname(this.path), 0o700);
      await writeFile(scratch, JSON.stringify(content), { mode: 0o600 });
      await rename(scratch, this.path);
      this.changed = false;
    } catch {
      await rm(scratch, { force: true }).catch(() => {});
    }
  }
}

async function stateOf(path: string): Promise<{ state: string; bytes: number; settled: boolean }> {
  const { size, ino, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
  const settledBefore = BigInt(Date.now()) * 1_000_000n - settledNs;
  return {
    state: [size, ino, mtimeNs, ctimeNs].join(" "),
    bytes: Number(size),
    settled: mtimeNs < settledBefore && ctimeNs < settledBefore,
  };
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const block of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(block);
  return hash.digest("hex");
}
