// Folders of downloads that are under way or were interrupted. A folder's name says which process owns it, so renaming it is the lock.
import { createHash } from "node:crypto";
import { readdir, rename, rm, rmdir, stat, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { makeFolder } from "../../host/make-folder";
import { isRunning } from "../../host/running-process";
import { DownloadInProgressError } from "./download-error";

/** How often an owner renews its folder's time, and the age at which a folder has no owner, in milliseconds. */
const renewalMs = 30_000;
const abandonedMs = 10 * 60_000;

/** The name of a download's folder: the same for the same file, wherever it comes from. */
export function downloadKey(identity: string): string {
  return createHash("sha256").update(identity).digest("hex").slice(0, 32);
}

/** The folders that this process owns: it may have left others, with its number in their names, that it could not give back. */
const owned = new Set<string>();

/** The folder of one download, owned by this process until it is given back or deleted. */
export class DownloadFolder {
  private readonly renewal: NodeJS.Timeout;

  private constructor(
    readonly path: string,
    private readonly root: string,
    private readonly key: string,
  ) {
    this.renewal = setInterval(() => void renew(path), renewalMs).unref();
  }

  /**
   * Takes the folder that an interrupted download left, with what is in it, or makes one.
   * @param root the folder of all downloads, made when missing
   * @throws DownloadInProgressError when another process is downloading the same; the system's error when the folder cannot be made
   */
  static async claim(root: string, key: string): Promise<DownloadFolder> {
    await makeFolder(root, 0o700);
    const path = join(root, `${key}~${hostname()}~${process.pid}`);
    const found = (await readdir(root)).filter((name) => name === key || name.startsWith(`${key}~`));
    for (const name of found) {
      const owner = await ownerOf(root, name);
      if (owner !== undefined)
        throw new DownloadInProgressError(
          `Expected no other download of this file, found process ${owner} at it. Wait until it is done, or end it and try again.`,
        );
    }
    for (const [at, name] of found.entries()) {
      if (at > 0) await rm(join(root, name), { recursive: true, force: true, maxRetries: 3 });
      // Another process may have been faster: then there is nothing to continue.
      else if (join(root, name) !== path) await rename(join(root, name), path).catch(() => undefined);
    }
    await makeFolder(path, 0o700);
    await renew(path);
    owned.add(path);
    return new DownloadFolder(path, root, key);
  }

  /** Leaves what was downloaded for the next attempt, in this process or another. */
  async giveBack(): Promise<void> {
    this.disown();
    // Where that fails, the folder has no owner once this process ends.
    await rename(this.path, join(this.root, this.key)).catch(() => undefined);
  }

  /** Deletes the folder, and the folder of all downloads when it is the last. */
  async delete(): Promise<void> {
    this.disown();
    await rm(this.path, { recursive: true, force: true, maxRetries: 3 });
    await rmdir(this.root).catch(() => undefined);
  }

  private disown(): void {
    clearInterval(this.renewal);
    owned.delete(this.path);
  }
}

/** Deletes what interrupted downloads of a file left. Whether there was anything. */
export async function deleteInterrupted(root: string, key: string): Promise<boolean> {
  const names = await readdir(root).catch(() => []);
  let deleted = false;
  for (const name of names) {
    if (name !== key && !name.startsWith(`${key}~`)) continue;
    if ((await ownerOf(root, name)) !== undefined) continue;
    await rm(join(root, name), { recursive: true, force: true, maxRetries: 3 });
    deleted = true;
  }
  await rmdir(root).catch(() => undefined);
  return deleted;
}

/** The process that is downloading into a folder, for people; undefined when none is. */
async function ownerOf(root: string, name: string): Promise<string | undefined> {
  const [, host, pid] = /^[0-9a-f]+~(.*)~(\d+)$/.exec(name) ?? [];
  if (host === undefined || pid === undefined) return undefined;
  const changed = await stat(join(root, name)).catch(() => undefined);
  if (changed === undefined || Date.now() - changed.mtimeMs > abandonedMs) return undefined;
  if (host === hostname() && Number(pid) === process.pid) return owned.has(join(root, name)) ? pid : undefined;
  if (host !== hostname()) return `${pid} on ${host}`;
  return isRunning(Number(pid)) ? pid : undefined;
}

async function renew(path: string): Promise<void> {
  const now = new Date();
  await utimes(path, now, now).catch(() => undefined);
}
