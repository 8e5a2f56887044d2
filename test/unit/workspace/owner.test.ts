// Locks exclude, are given back, and do not outlive the process that held them.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdir, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  afterLock,
  beginWriting,
  endWriting,
  mayBeWritten,
  ownedName,
  withLock,
} from "../../../sidecar/workspace/owner";
import { emptyFolder } from "./folder";

const host = createHash("sha256").update(hostname()).digest("hex").slice(0, 6);

/** The id of a process that has ended. */
function endedProcess(): number {
  return Number(execFileSync(process.execPath, ["-p", "process.pid"], { encoding: "utf8" }));
}

describe("lock", () => {
  it("lets one in at a time and is given back, also after a failure", async () => {
    const path = join(await emptyFolder(), "x.lock");
    let inside = 0;
    let most = 0;
    const work = async (): Promise<void> => {
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setTimeout(resolve, 20));
      inside--;
    };
    const results = await Promise.all([withLock(path, work), withLock(path, work), withLock(path, work)]);
    expect(results.filter(Boolean)).toHaveLength(1);
    expect(most).toBe(1);
    await expect(withLock(path, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await withLock(path, work)).toBe(true);
  });

  it("of an ended process is taken over, of a running one or of another machine is not", async () => {
    const folder = await emptyFolder();
    const path = join(folder, "x.lock");
    const nothing = async (): Promise<void> => {};
    await writeFile(path, `${host} ${endedProcess()}\n`);
    expect(await withLock(path, nothing)).toBe(true);
    expect(await readdir(folder)).toEqual([]);
    await writeFile(path, `${host} ${process.ppid}\n`);
    expect(await withLock(path, nothing)).toBe(false);
    await writeFile(path, `abcdef ${endedProcess()}\n`);
    expect(await withLock(path, nothing)).toBe(false);
    const longAgo = new Date(Date.now() - 3600_000);
    await utimes(path, longAgo, longAgo);
    expect(await withLock(path, nothing)).toBe(true);
  });
});

describe("waiting for a lock", () => {
  const never = new AbortController().signal;

  it("lets one after the other in, each after what the one before did", async () => {
    const path = join(await emptyFolder(), "x.lock");
    const order: string[] = [];
    const work = (name: string) => async (): Promise<void> => {
      order.push(`${name} begins`);
      await new Promise((resolve) => setTimeout(resolve, 10));
      order.push(`${name} ends`);
    };
    await Promise.all([
      afterLock(path, work("a"), { signal: never, mostMs: 10_000 }),
      afterLock(path, work("b"), { signal: never, mostMs: 10_000 }),
    ]);
    expect(order.map((each) => each.slice(2))).toEqual(["begins", "ends", "begins", "ends"]);
  });

  it("lets another process in that has waited, instead of whoever held it last", async () => {
    const path = join(await emptyFolder(), "x.lock");
    await afterLock(path, async () => {}, { signal: never, mostMs: 10_000 });
    await writeFile(`${path}.waiting`, "");
    let mine = false;
    const again = afterLock(
      path,
      async () => {
        mine = true;
      },
      { signal: never, mostMs: 10_000 },
    );
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(mine).toBe(false);
    expect(await withLock(path, async () => {})).toBe(true);
    await again;
    expect(mine).toBe(true);
  });

  it("ends when nobody gives it back, when no lock can be made, and when it is aborted", async () => {
    const folder = await emptyFolder();
    const path = join(folder, "x.lock");
    await writeFile(path, `${host} ${process.ppid}\n`);
    let done = 0;
    const work = async (): Promise<void> => void done++;
    await afterLock(path, work, { signal: never, mostMs: 50 });
    await afterLock(join(folder, "missing", "x.lock"), work, { signal: never, mostMs: 60_000 });
    expect(done).toBe(2);
    await expect(afterLock(path, work, { signal: AbortSignal.abort(), mostMs: 60_000 })).rejects.toThrow(/abort/i);
    // A process that ended, or whose disk was full, before it could sign.
    await writeFile(path, "");
    await utimes(path, new Date(), new Date(Date.now() - 10_000));
    await afterLock(path, work, { signal: never, mostMs: 60_000 });
    expect(done).toBe(3);
    expect(await readdir(folder)).toEqual(["x.lock.waiting"]);
  });
});

describe("owned names", () => {
  it("are distinct, and say whether somebody may still write the file", () => {
    const name = `vectors-${ownedName()}.bin`;
    expect(ownedName()).not.toBe(ownedName());
    const now = Date.now();
    expect(mayBeWritten(name, now)).toBe(false);
    beginWriting(name);
    expect(mayBeWritten(name, now)).toBe(true);
    endWriting(name);
    expect(mayBeWritten(name, now)).toBe(false);
    expect(mayBeWritten(`vectors-x-${host}-${process.ppid}-abcdef.bin`, now)).toBe(true);
    expect(mayBeWritten(`vectors-x-${host}-${process.ppid}-abcdef.bin`, now - 8 * 24 * 3600_000)).toBe(false);
    expect(mayBeWritten(`vectors-x-${host}-${endedProcess()}-abcdef.bin`, now)).toBe(false);
    expect(mayBeWritten(`vectors-x-abcdef-${endedProcess()}-abcdef.bin`, now)).toBe(true);
    expect(mayBeWritten("vectors-1.bin", now)).toBe(false);
  });
});
