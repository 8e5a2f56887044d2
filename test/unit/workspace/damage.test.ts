// Damaged stores, odd clocks and several processes: the index works, and embeds no more than it must.
import { execFileSync, spawn } from "node:child_process";
import { readdir, readFile, rename, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it, vi } from "vitest";
import type { IndexCounts } from "../../../sidecar/protocol";
import { bundledProgram } from "../../bundled-program";
import { emptyFolder, folderWith, write } from "./folder";
import { alpha, best, beta, contents, gamma, indexed, manyFiles, uriOf } from "./toy-index";

describe("damage", () => {
  async function stored(): Promise<{ root: string; storagePath: string; directory: string; before: string[] }> {
    const root = await folderWith(manyFiles(40));
    const storagePath = await emptyFolder();
    const { index } = await indexed(root, storagePath);
    const before = contents(index);
    await index.dispose();
    const [name = ""] = await readdir(storagePath);
    return { root, storagePath, directory: join(storagePath, name), before };
  }

  it.each<[string, (bytes: Buffer) => Uint8Array | undefined, number]>([
    ["cut off", (bytes) => bytes.subarray(0, bytes.length / 2), 80],
    ["cut off within a page", (bytes) => bytes.subarray(0, bytes.length - 1000), 80],
    ["emptied", () => new Uint8Array(), 80],
    ["of zeros", (bytes) => bytes.fill(0), 80],
    ["with a page of zeros", (bytes) => bytes.fill(0, 3 * 4096, 4 * 4096), 80],
    ["with garbage but for its first page", (bytes) => bytes.fill(0xa5, 4096), 80],
    ["that is something else", () => Buffer.from("hello"), 80],
    ["of another format", (bytes) => bytes.fill(99, 63, 64), 80],
    ["that is missing", () => undefined, 80],
    ["with bits flipped all over", (bytes) => bytes.map((byte, at) => (at % 500 === 499 ? byte ^ 8 : byte)), 80],
  ])("a store %s is replaced or repaired, and the next start embeds nothing", async (_, damage, embedded) => {
    const { root, storagePath, directory, before } = await stored();
    const file = join(directory, "store.db");
    const damaged = damage(await readFile(file));
    if (damaged === undefined) await rm(file);
    else await writeFile(file, damaged);
    const { index, seen, warnings } = await indexed(root, storagePath);
    expect(contents(index)).toEqual(before);
    expect(seen.length).toBe(embedded);
    expect(warnings.length).toBe(damaged === undefined || damaged.length === 0 ? 0 : 1);
    await index.dispose();
    const next = await indexed(root, storagePath);
    expect(next.seen).toEqual([]);
    expect(next.read).toEqual([]);
    expect(next.warnings).toEqual([]);
    expect(contents(next.index)).toEqual(before);
  });

  it.each(["store.db", "store.db-journal"])("a named pipe in the place of %s is removed", async (name) => {
    const { root, storagePath, directory, before } = await stored();
    await rm(join(directory, name), { force: true });
    execFileSync("mkfifo", [join(directory, name)]);
    const { index, warnings } = await indexed(root, storagePath);
    expect(contents(index)).toEqual(before);
    expect(warnings.length).toBe(name === "store.db" ? 1 : 0);
  });

  it("a store of a newer version is not changed, and another one is made beside it", async () => {
    const { root, storagePath, directory, before } = await stored();
    const newer = directory.replace(/index-(\d+)/, (_, version: string) => `index-${Number(version) + 1}`);
    await rename(directory, newer);
    const { index, seen } = await indexed(root, storagePath);
    expect(seen).toHaveLength(80);
    expect(contents(index)).toEqual(before);
    expect(await readdir(newer)).not.toEqual([]);
  });

  it("a clock that was set back years loses nothing, and later changes are noticed", async () => {
    const { root, storagePath, before } = await stored();
    vi.useFakeTimers({ toFake: ["Date"], now: new Date("2001-01-01") });
    try {
      const { index, seen, read } = await indexed(root, storagePath);
      expect({ seen, read }).toEqual({ seen: [], read: [] });
      expect(contents(index)).toEqual(before);
      await write(root, { "src/part0/file0.py": gamma });
      await utimes(join(root, "src/part0/file0.py"), new Date(), new Date());
      await index.reindex();
      expect(best(index, "src/part0/file0.py", gamma.trimEnd())).toBe("src/part0/file0.py:1-3");
      await index.dispose();
      const again = await indexed(root, storagePath);
      expect(again.seen).toEqual([]);
      expect(best(again.index, "src/part0/file0.py", gamma.trimEnd())).toBe("src/part0/file0.py:1-3");
    } finally {
      vi.useRealTimers();
    }
  });

  it("a file that changes while it is read is read again, and its last text is found", async () => {
    const root = await folderWith({ "a.py": alpha });
    const { index } = await indexed(root, await emptyFolder());
    let writing = true;
    const writer = (async () => {
      for (let i = 0; i < 60; i++)
        await writeFile(join(root, "a.py"), `${beta.replaceAll("beta", `beta${i}`)}${"# more\n".repeat(i * 20)}`);
      writing = false;
    })();
    while (writing) await index.updateFile(uriOf(root, "a.py"));
    await writer;
    await index.updateFile(uriOf(root, "a.py"));
    expect(contents(index).filter((line) => /beta\d/.test(line))).toEqual([expect.stringContaining("beta59")]);
    expect(index.counts().files).toBe(1);
  });

  it("a storage path that cannot be used disables the store, and the index works", async () => {
    const root = await folderWith(manyFiles(5));
    const file = join(await folderWith({ "not-a-folder": "x" }), "not-a-folder");
    const { index, warnings } = await indexed(root, file);
    expect(index.fragmentCount).toBe(10);
    expect(warnings.join()).toMatch(/cannot be stored/);
    expect(index.vectorIndex.name).toBe("faiss");
    expect(index.counts().storeBytes).toBe(0);
  });
});

describe("processes", () => {
  let program = "";

  beforeAll(async () => {
    program = await bundledProgram(join(__dirname, "indexing-process.ts"));
  });

  /** Runs the program; kills it when it has done `killAt` files, if that is given. @returns what it printed last */
  function run(root: string, storagePath: string, killAt?: number): Promise<string> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [program, root, storagePath, "4"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      let output = "";
      child.stdout.on("data", (data: Buffer) => {
        output += data.toString();
        const done = Number(/done (\d+)\n$/.exec(output)?.[1] ?? -1);
        if (killAt !== undefined && done >= killAt) child.kill("SIGKILL");
      });
      child.on("error", reject);
      child.on("close", () => resolve(output.trim().split("\n").at(-1) ?? ""));
    });
  }

  it("that are killed at any instant leave an index that the next one continues", async () => {
    const root = await folderWith(manyFiles(500));
    const storagePath = await emptyFolder();
    const reference = contents((await indexed(root, await emptyFolder())).index);
    for (const files of [0, 1, 60, 130, 200, 300]) expect(await run(root, storagePath, files)).toMatch(/^done/);
    const { index, seen, warnings } = await indexed(root, storagePath);
    expect(contents(index)).toEqual(reference);
    expect(seen.length).toBeLessThan(800);
    expect(warnings).toEqual([]);
  });

  it("that index one folder at the same time share the work, and each finds everything", async () => {
    const root = await folderWith(manyFiles(600));
    const storagePath = await emptyFolder();
    const results = await Promise.all([run(root, storagePath), run(root, storagePath), run(root, storagePath)]);
    const counts: IndexCounts[] = results.map((result) => JSON.parse(result));
    for (const each of counts) expect(each).toMatchObject({ files: 600, fragments: 1200 });
    // At most one batch of each process is embedded twice: what another one was embedding at the end.
    expect(counts.reduce((sum, { embedded }) => sum + embedded, 0)).toBeLessThanOrEqual(1200 + 2 * 256);
    const { index, seen, read, warnings } = await indexed(root, storagePath);
    expect({ seen, read, warnings }).toEqual({ seen: [], read: [], warnings: [] });
    expect(contents(index)).toEqual(contents((await indexed(root, await emptyFolder())).index));
  });

  it("that are killed after a claim leave the fragments to a later one", async () => {
    const root = await folderWith(manyFiles(300));
    const storagePath = await emptyFolder();
    await run(root, storagePath, 1);
    const { index } = await indexed(root, storagePath);
    expect(index.counts()).toMatchObject({ files: 300, fragments: 600 });
  });

  it("that start and end many times leave a bounded number of files", async () => {
    const root = await folderWith(manyFiles(3));
    const storagePath = await emptyFolder();
    for (let i = 0; i < 14; i++) {
      await write(root, { [`more${i}.py`]: gamma.replaceAll("gamma", `gamma${i}`) });
      await run(root, storagePath);
    }
    const [name = ""] = await readdir(storagePath);
    expect((await readdir(join(storagePath, name))).length).toBeLessThan(16);
    expect((await indexed(root, storagePath)).seen).toEqual([]);
  });
});
