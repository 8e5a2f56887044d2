// Names files of the store after the process that writes them, so that several windows can share a folder without locks on the way.
import { createHash, randomBytes } from "node:crypto";
import { type FileHandle, open, readFile, rm, stat, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout } from "node:timers/promises";

/** Every process writes files of its own and reads everybody's. Age beyond which a process is taken as ended whatever its id says. */
const staleMs = 7 * 24 * 3600 * 1000;
/** A lock is held for seconds; one this old was left behind. */
const lockStaleMs = 10 * 60 * 1000;
const lockUnfinishedMs = 2000;
const lockRetryMs = 40;

/** Process ids say nothing about another machine that shares the disk. */
const host = createHash("sha256").update(hostname()).digest("hex").slice(0, 6);

/** A name part that no other file has and that says who writes it. */
export function ownedName(): string {
  return `${Date.now().toString(36)}-${host}-${process.pid}-${randomBytes(3).toString("hex")}`;
}

/** Names of files that this process is writing. */
const written = new Set<string>();

/** Notes that this process begins to write the file of this name. */
export function beginWriting(name: string): void {
  written.add(name);
}

/** Notes that this process writes the file of this name no more. */
export function endWriting(name: string): void {
  written.delete(name);
}

/** Whether this process, or the one that made the file of this name, may still write it. @param modified the file's time, milliseconds */
export function mayBeWritten(name: string, modified: number): boolean {
  if (written.has(name)) return true;
  const [, owner, pid] = /-([0-9a-f]{6})-(\d+)-[0-9a-f]{6}\./.exec(name) ?? [];
  if (owner === undefined || pid === undefined) return false;
  if (Date.now() - modified > staleMs) return false;
  if (owner === host && Number(pid) === process.pid) return false;
  return owner !== host || isRunning(Number(pid));
}

/** Whether a process with this id runs on this machine. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's process: it is there.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/**
 * Runs `work` while holding the lock file at `path`; returns false, at once, when another process holds it.
 * A lock whose process has ended is taken over.
 */
export async function withLock(path: string, work: () => Promise<void>): Promise<boolean> {
  if (!(await acquire(path)) && !((await releaseStale(path)) && (await acquire(path)))) return false;
  try {
    await work();
    return true;
  } finally {
    await rm(path, { force: true });
  }
}

/** Locks that this process held last: it gives way to whoever has been waiting meanwhile. */
const heldLast = new Set<string>();

/**
 * Runs `work` while holding the lock file at `path`, after whoever holds it now; processes that want it again and again
 * take turns. Without it when nobody gives it back within `mostMs`, or when none can be made there: it keeps processes
 * from doing work twice, not from doing harm.
 * @throws the signal's reason when it is aborted while waiting
 */
export async function afterLock(
  path: string,
  work: () => Promise<void>,
  { signal, mostMs }: { signal: AbortSignal; mostMs: number },
): Promise<void> {
  signal.throwIfAborted();
  const waiting = `${path}.waiting`;
  if (heldLast.delete(path) && Date.now() - (await modifiedOf(waiting)) < 10 * lockRetryMs) {
    await rm(waiting, { force: true });
    await setTimeout(2 * lockRetryMs, undefined, { signal });
  }
  const giveUpAt = performance.now() + mostMs;
  for (let free = 0; !(await withLock(path, work)); ) {
    // Not to be had though nobody holds it, more than once: the folder cannot be written.
    free = (await modifiedOf(path)) > 0 ? 0 : free + 1;
    if (free > 2 || performance.now() >= giveUpAt) return work();
    await writeFile(waiting, "").catch(() => {});
    await setTimeout(lockRetryMs, undefined, { signal });
  }
  heldLast.add(path);
}

/** Milliseconds since 1970; 0 where there is no such file. */
function modifiedOf(path: string): Promise<number> {
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
}

async function acquire(path: string): Promise<boolean> {
  let file: FileHandle;
  try {
    file = await open(path, "wx");
  } catch {
    return false;
  }
  try {
    await file.writeFile(`${host} ${process.pid}\n`);
    return true;
  } catch {
    // A full disk: a lock that does not say whose it is would keep everybody out.
    await rm(path, { force: true });
    return false;
  } finally {
    await file.close();
  }
}

async function releaseStale(path: string): Promise<boolean> {
  try {
    const [owner, pid] = (await readFile(path, "utf8")).trim().split(" ");
    const { mtimeMs } = await stat(path);
    // One without a name is being written, or was when its process ended.
    const old = Date.now() - mtimeMs > (pid === undefined ? lockUnfinishedMs : lockStaleMs);
    if (!old && (owner !== host || isRunning(Number(pid)))) return false;
    await rm(path, { force: true });
    return true;
  } catch {
    // Released meanwhile.
    return true;
  }
}
