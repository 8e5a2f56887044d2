// The database of the index: it returns what was written, deleted data leaves the file, and damage never ends the process.
import { chmod, mkdir, readdir, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterEach, describe, expect, it, vi } from "vitest";
import { Database, type FileChange, type PackedVectors } from "../../../../sidecar/workspace/store/database";
import { emptyFolder } from "../folder";

const vectorBytes = 20;
const open: Database[] = [];

afterEach(() => {
  vi.useRealTimers();
  for (const database of open.splice(0)) database.close();
});

function openAt(path: string, warnings: string[] = []): Database {
  const database = new Database({ path, vectorBytes, warn: (message) => void warnings.push(message) });
  open.push(database);
  return database;
}

function close(database: Database): void {
  open.splice(open.indexOf(database), 1);
  database.close();
}

async function emptyPath(): Promise<string> {
  return join(await emptyFolder(), "index", "store.db");
}

/** Vectors whose bytes repeat those of their keys. */
function vectors(...keys: string[]): PackedVectors {
  const rows = new Uint8Array(keys.length * vectorBytes);
  for (const [at, key] of keys.entries()) Buffer.from(rows.buffer).fill(key, at * vectorBytes, (at + 1) * vectorBytes);
  return { keys, rows };
}

const none = vectors();

function file(path: string, keys: readonly string[], entry = `entry of ${path}`): FileChange {
  return { folder: "folder", path, entry, keys, erase: false };
}

function removal(path: string, erase: boolean): FileChange {
  return { folder: "folder", path, entry: undefined, keys: [], erase };
}

/** The keys whose vectors are stored, after a check that they are right. */
function stored(database: Database, ...keys: string[]): string[] {
  const { rows, found } = database.vectors(keys);
  return keys.filter((key, at) => {
    if (found[at] === 0) return false;
    const row = Buffer.from(rows.subarray(at * vectorBytes, (at + 1) * vectorBytes));
    expect(row.equals(Buffer.alloc(vectorBytes, key)), key).toBe(true);
    return true;
  });
}

describe("a database", () => {
  it("returns what was written, also after it was opened again", async () => {
    const path = await emptyPath();
    const first = openAt(path);
    expect(first.openFolder("folder", "1")).toEqual([]);
    first.write(vectors("a", "b", "c"), [file("x", ["a", "b"]), file("y", ["c"])]);
    close(first);
    const second = openAt(path);
    expect(second.openFolder("folder", "1")).toEqual([
      { path: "x", entry: "entry of x" },
      { path: "y", entry: "entry of y" },
    ]);
    expect(second.openFolder("other", "1")).toEqual([]);
    expect(stored(second, "c", "missing", "a")).toEqual(["c", "a"]);
  });

  it("replaces a file's entry, and deletes entries of another version but not their vectors", async () => {
    const database = openAt(await emptyPath());
    database.openFolder("folder", "1");
    database.write(vectors("a"), [file("x", ["a"])]);
    database.write(none, [file("x", ["a"], "changed")]);
    expect(database.openFolder("folder", "1")).toEqual([{ path: "x", entry: "changed" }]);
    expect(database.openFolder("folder", "2")).toEqual([]);
    database.write(none, [file("y", [])]);
    expect(database.openFolder("folder", "2").map(({ path }) => path)).toEqual(["y"]);
    expect(database.openFolder("folder", "1")).toEqual([]);
    expect(stored(database, "a")).toEqual(["a"]);
  });

  it("is shared by several processes that have it open", async () => {
    const path = await emptyPath();
    const [one, two] = [openAt(path), openAt(path)];
    one.openFolder("folder", "1");
    two.openFolder("folder", "1");
    one.write(vectors("a"), [file("x", ["a"])]);
    two.write(vectors("b"), [file("y", ["b"])]);
    expect(stored(one, "a", "b")).toEqual(["a", "b"]);
    expect(two.openFolder("folder", "1")).toHaveLength(2);
  });

  it("reports the claims of other processes until the vectors are stored or minutes have passed", async () => {
    const path = await emptyPath();
    const [one, two] = [openAt(path), openAt(path)];
    expect(one.claim(["a", "b"])).toEqual([]);
    expect(one.claim(["a", "b"])).toEqual([]);
    expect(two.claim(["b", "c"])).toEqual(["b"]);
    expect(one.claim(["c", "d"])).toEqual(["c"]);
    one.write(vectors("b"), []);
    expect(two.claim(["a", "b"])).toEqual(["a"]);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3 * 60_000 });
    expect(two.claim(["a"])).toEqual([]);
  });

  it("is private to the user, also when its folder was readable for others", async () => {
    const path = await emptyPath();
    await mkdir(dirname(path));
    await writeFile(path, "");
    await chmod(dirname(path), 0o755);
    await chmod(path, 0o644);
    openAt(path).openFolder("folder", "1");
    expect((await stat(dirname(path))).mode & 0o777).toBe(0o700);
    for (const name of await readdir(dirname(path)))
      expect((await stat(join(dirname(path), name))).mode & 0o777, name).toBe(0o600);
  });
});

describe("deleting", () => {
  const long = (text: string): string => text.repeat(8);

  it("an excluded file deletes its entry at once, and its vectors unless another file uses them", async () => {
    const path = await emptyPath();
    const database = openAt(path);
    database.openFolder("folder", "1");
    const [mine, shared] = [long("m1"), long("s2")];
    database.write(vectors(mine, shared), [file(long("p3"), [mine, shared], long("e4")), file("y", [shared])]);
    const onDisk = async (): Promise<string[]> => {
      const bytes = (await readFile(path)).toString("latin1") + (await readFile(`${path}-journal`)).toString("latin1");
      return [mine, shared, long("p3"), long("e4")].filter((each) => bytes.includes(each));
    };
    expect(await onDisk()).toHaveLength(4);
    database.write(none, [removal(long("p3"), true)]);
    expect(await onDisk()).toEqual([shared]);
    expect(stored(database, mine, shared)).toEqual([shared]);
  });

  it("a deleted file deletes its entry at once, and its vectors a day later", async () => {
    const path = await emptyPath();
    const database = openAt(path);
    database.openFolder("folder", "1");
    const key = long("k1");
    database.write(vectors(key, "b"), [file("x", [key], long("e2")), file("y", ["b"])]);
    database.write(none, [removal("x", false)]);
    expect((await readFile(path)).includes(long("e2"))).toBe(false);
    database.tidy(Infinity);
    expect(stored(database, key, "b")).toEqual([key, "b"]);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 25 * 3600_000 });
    database.tidy(Infinity);
    expect(stored(database, key, "b")).toEqual(["b"]);
    expect((await readFile(path)).includes(key)).toBe(false);
  });

  it("a vector that a changed file no longer uses is deleted a day later", async () => {
    const database = openAt(await emptyPath());
    database.openFolder("folder", "1");
    database.write(vectors("old"), [file("x", ["old"])]);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 30 * 24 * 3600_000 });
    database.write(vectors("new"), [file("x", ["new"])]);
    database.tidy(Infinity);
    expect(stored(database, "old", "new")).toEqual(["old", "new"]);
    vi.setSystemTime(Date.now() + 25 * 3600_000);
    database.tidy(Infinity);
    expect(stored(database, "old", "new")).toEqual(["new"]);
  });

  it("a folder that was not opened for two months is deleted, and an open one is not", async () => {
    const path = await emptyPath();
    const database = openAt(path);
    database.openFolder("folder", "1");
    database.write(vectors("a"), [file("x", ["a"])]);
    close(database);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 61 * 24 * 3600_000 });
    const other = openAt(path);
    other.openFolder("folder", "1");
    other.tidy(Infinity);
    expect(other.openFolder("folder", "1")).toHaveLength(1);
    close(other);
    vi.setSystemTime(Date.now() + 61 * 24 * 3600_000);
    const last = openAt(path);
    last.openFolder("another", "1");
    last.tidy(Infinity);
    last.tidy(Infinity);
    expect(last.openFolder("folder", "1")).toEqual([]);
    expect(stored(last, "a")).toEqual([]);
  });

  it("the file shrinks to its limit: unused vectors first, then files of folders opened longest ago", async () => {
    const path = await emptyPath();
    const database = openAt(path);
    const many = (prefix: string): string[] => Array.from({ length: 400 }, (_, at) => `${prefix}${at}`);
    const fill = (folder: string): void => {
      database.openFolder(folder, "1");
      const changes = many(folder).map((key) => ({ ...file(key, [key]), folder }));
      database.write(vectors(...many(folder)), changes);
    };
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
    fill("old");
    close(database);
    vi.setSystemTime(Date.now() + 5000);
    const unused = ["u", "v", "w", "x", "y"].flatMap(many);
    const now = openAt(path);
    now.openFolder("new", "1");
    now.write(
      vectors(...unused, ...many("new")),
      many("new").map((key) => ({ ...file(key, [key]), folder: "new" })),
    );
    const { size } = await stat(path);
    now.tidy(size * 0.95);
    expect(stored(now, ...unused)).toEqual([]);
    expect(stored(now, ...many("old"))).toHaveLength(400);
    now.tidy(size * 0.56);
    expect((await stat(path)).size).toBeLessThan(size * 0.56);
    expect(stored(now, ...many("new"))).toHaveLength(400);
    expect(stored(now, ...many("old")).length).toBeLessThan(400);
    now.tidy(1);
    expect(now.openFolder("new", "1")).toEqual([]);
  });

  it("clearing deletes everything, and the database can be used again", async () => {
    const path = await emptyPath();
    const database = openAt(path);
    database.openFolder("folder", "1");
    database.write(vectors(long("a1")), [file("x", [long("a1")], long("e2"))]);
    database.clear();
    const bytes = await readFile(path);
    expect([bytes.includes(long("a1")), bytes.includes(long("e2"))]).toEqual([false, false]);
    expect(database.openFolder("folder", "1")).toEqual([]);
    database.write(vectors("b"), [file("y", ["b"])]);
    expect(database.openFolder("folder", "1")).toHaveLength(1);
  });
});

describe("damage", () => {
  const keys = Array.from({ length: 300 }, (_, at) => `key${at}`);

  async function filled(): Promise<{ path: string; bytes: Buffer }> {
    const path = await emptyPath();
    const database = openAt(path);
    database.openFolder("folder", "1");
    database.write(
      vectors(...keys),
      keys.map((key) => file(`path of ${key}`, [key])),
    );
    close(database);
    return { path, bytes: await readFile(path) };
  }

  /** Uses all of the database. @returns how many files and vectors it gave, all of them right */
  function used(path: string, warnings: string[]): [files: number, vectors: number] {
    const database = openAt(path, warnings);
    const files = database.openFolder("folder", "1");
    for (const { path: each, entry } of files) expect(entry).toBe(`entry of ${each}`);
    const found = stored(database, ...keys);
    database.write(vectors(...keys, "more"), [file("one more", ["more"]), removal("path of key7", true)]);
    database.tidy(Infinity);
    expect(database.openFolder("folder", "1").map((each) => each.path)).toContain("one more");
    expect(stored(database, ...keys, "more").length).toBeGreaterThanOrEqual(keys.length);
    close(database);
    return [files.length, found.length];
  }

  it("of one vector or entry loses only that one", async () => {
    const { path, bytes } = await filled();
    const flip = (text: string): void => {
      const at = bytes.indexOf(text);
      expect(at).toBeGreaterThan(0);
      bytes.writeUInt8((bytes[at] ?? 0) ^ 1, at);
    };
    flip("key17".repeat(4));
    flip("entry of path of key42");
    await writeFile(path, bytes);
    const warnings: string[] = [];
    expect(used(path, warnings)).toEqual([299, 299]);
    expect(warnings).toEqual([expect.stringMatching(/1 damaged/), expect.stringMatching(/1 damaged/)]);
    expect(used(path, [])).toEqual([299, 299]);
  });

  const seeds = Array.from({ length: 12 }, (_, at) => at);

  it.each<[string, (bytes: Buffer, random: (below: number) => number) => Uint8Array]>([
    ["cut off", (bytes, random) => bytes.subarray(0, random(bytes.length))],
    ["with a page of zeros", (bytes, random) => pages(bytes, random, () => 0)],
    ["with a page of garbage", (bytes, random) => pages(bytes, random, () => random(256))],
    [
      "with garbage but for its first page",
      (bytes, random) => bytes.map((each, at) => (at < 4096 ? each : random(256))),
    ],
    ["that is garbage", (bytes, random) => bytes.map(() => random(256))],
    ["with some bits flipped", (bytes, random) => flips(bytes, random, 3)],
    ["with many bits flipped", (bytes, random) => flips(bytes, random, 300)],
  ])("a file %s is repaired or replaced, and what it returns is right", async (_, damage) => {
    const { path, bytes } = await filled();
    for (const seed of seeds) {
      let state = seed + 1;
      const random = (below: number): number => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return Math.floor((state / 2 ** 32) * below);
      };
      await rm(`${path}-journal`, { force: true });
      await writeFile(path, damage(Buffer.from(bytes), random));
      used(path, []);
      const warnings: string[] = [];
      expect(used(path, warnings)[1]).toBeGreaterThanOrEqual(keys.length - 1);
      expect(warnings).toEqual([]);
    }
  });

  function pages(bytes: Buffer, random: (below: number) => number, fill: () => number): Uint8Array {
    const start = 4096 * random(bytes.length / 4096);
    for (let at = start; at < start + 4096; at++) bytes.writeUInt8(fill(), at);
    return bytes;
  }

  function flips(bytes: Buffer, random: (below: number) => number, count: number): Uint8Array {
    for (let flip = 0; flip < count; flip++) {
      const at = random(bytes.length);
      bytes.writeUInt8((bytes[at] ?? 0) ^ (1 << random(8)), at);
    }
    return bytes;
  }

  it("while the file is open is noticed by the next use", async () => {
    const { path } = await filled();
    const warnings: string[] = [];
    const database = openAt(path, warnings);
    expect(database.openFolder("folder", "1")).toHaveLength(300);
    await truncate(path, 5000);
    database.write(vectors("a"), [file("x", ["a"])]);
    expect(database.openFolder("folder", "1").map((each) => each.path)).toEqual(["x"]);
    expect(warnings).toHaveLength(1);
    await rm(dirname(path), { recursive: true });
    database.write(vectors("b"), [file("y", ["b"])]);
    expect(stored(database, "b")).toEqual(["b"]);
    close(database);
    expect(stored(openAt(path), "b")).toEqual(["b"]);
  });
});
