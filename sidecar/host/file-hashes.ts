// SHA-256 of files. Hashes of large files are cached by size and times, so that the files are not read at every start.
import { createHash, randomUUID } from "node:crypto";
import { rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import * as v from "valibot";
import { makeFolder } from "./make-folder";
import { openRegularFile, readRegularFile } from "./regular-file";

/** Minimum size of cached files. Reading a smaller file takes at most some hundredths of a second. */
const minCachedBytes = 32 * 2 ** 20;
/** Maximum files in the cache on disk; the oldest entries are left out. */
const maxCached = 64;
/** Of the cache on disk; it has a few kilobytes. */
const maxCacheBytes = 2 ** 20;
/** A file changed this recently may change again with the same time on file systems with coarse timestamps. */
const settledNs = 2_000_000_000n;

const cacheSchema = v.strictObject({
  version: v.literal(1),
  files: v.record(
    v.string(),
    v.strictObject({ state: v.string(), sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)) }),
  ),
});

/** The hash of a file. `state`: its size, inode and modification times in nanoseconds. */
type CachedHash = v.InferOutput<typeof cacheSchema>["files"][string];

/** Computes SHA-256 of files, with a cache on disk. */
export class FileHashes {
  private changed = false;

  private constructor(
    private readonly path: string | undefined,
    private readonly cached: Map<string, CachedHash>,
  ) {}

  /**
   * @param path file of the cache, which may be missing or damaged; undefined: no cache
   */
  static async open(path: string | undefined): Promise<FileHashes> {
    const content: unknown =
      path &&
      (await readRegularFile(path, maxCacheBytes)
        .then(JSON.parse)
        .catch(() => undefined));
    const parsed = v.safeParse(cacheSchema, content);
    return new FileHashes(path, new Map(parsed.success ? Object.entries(parsed.output.files) : []));
  }

  /**
   * 64 lower-case hexadecimal digits.
   * @throws Error when the file cannot be read
   */
  async sha256(path: string): Promise<string> {
    const before = await stateOf(path);
    const known = this.cached.get(path);
    if (known !== undefined && known.state === before.state) return known.sha256;
    const { sha256 } = await digestOf(path);
    const after = await stateOf(path);
    if (before.bytes >= minCachedBytes && before.settled && after.state === before.state) {
      this.cached.delete(path);
      this.cached.set(path, { state: before.state, sha256 });
      this.changed = true;
    }
    return sha256;
  }

  /** Writes the cache. If that fails, the files are read again at the next start. */
  async save(): Promise<void> {
    if (this.path === undefined || !this.changed) return;
    const scratch = `${this.path}.${randomUUID()}`;
    const content = { version: 1, files: Object.fromEntries([...this.cached].slice(-maxCached)) };
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

/** Size and SHA-256 of a file, read anew. @throws as {@link openRegularFile}, and the signal's reason when it is aborted */
export async function digestOf(path: string, signal?: AbortSignal): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  const file = await openRegularFile(path);
  // The stream closes the file.
  const blocks: AsyncIterable<Uint8Array> = file.createReadStream({ highWaterMark: 1 << 20, signal });
  for await (const block of blocks) {
    hash.update(block);
    bytes += block.length;
  }
  return { bytes, sha256: hash.digest("hex") };
}
