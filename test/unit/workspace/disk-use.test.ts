// The store holds no text and no trace of excluded files, and the index stays within its limits.
import { readdir, rm, utimes } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { vectorKey } from "../../../sidecar/workspace/store/keys";
import type { WorkspaceIndex } from "../../../sidecar/workspace/workspace-index";
import { emptyFolder, folderWith, write } from "./folder";
import { alpha, best, beta, gamma, indexed, manyFiles, onDisk, uriOf } from "./toy-index";

describe("the disk", () => {
  it("never holds paths or text of the workspace, nor a trace of what is excluded", async () => {
    const root = await folderWith({ "part/canary_name.py": alpha.replace("alpha", "canary_text"), "b.py": beta });
    const storagePath = await emptyFolder();
    const { index, seen } = await indexed(root, storagePath);
    await index.flush();
    const [canary, other] = ["part/canary_name.py", "b.py"].map((path) => {
      const tokens = seen.find((each) => Buffer.from(each).toString().startsWith(`${path}\n`));
      return vectorKey(tokens ?? []);
    });
    const texts = ["canary_name", "canary_text", "first = x", "def beta", root, pathToFileURL(root).href];
    expect(await onDisk(storagePath, texts)).toEqual([]);
    expect(await onDisk(storagePath, [canary ?? "", other ?? ""])).toHaveLength(2);
    await write(root, { ".selfracgignore": "canary*\n" });
    await index.reindex();
    await index.flush();
    expect(await onDisk(storagePath, [...texts, canary ?? "", other ?? ""])).toEqual([other]);
    await index.dispose();
    expect(await onDisk(storagePath, [...texts, canary ?? "", other ?? ""])).toEqual([other]);
  });

  it.each<[string, (root: string, index: WorkspaceIndex) => Promise<unknown>]>([
    ["its name", (root, index) => write(root, { ".gitignore": "/gone.py\n" }).then(() => index.reindex())],
    ["its folder", (root, index) => write(root, { ".gitignore": "in/\n" }).then(() => index.reindex())],
    [
      "a secret in it",
      async (root, index) => {
        await write(root, { "gone.py": `password = "${"x9!Kq2".repeat(4)}"\ntoken = "ghp_${"a1B2c3".repeat(6)}"\n` });
        await index.updateFile(uriOf(root, "gone.py"));
      },
    ],
  ])("no longer holds the vectors of a file that is excluded for %s", async (_, exclude) => {
    const root = await folderWith({ "gone.py": alpha, "in/gone.py": beta, "stays.py": gamma });
    const storagePath = await emptyFolder();
    const { index, seen } = await indexed(root, storagePath);
    await index.flush();
    const keys = seen.map(vectorKey);
    expect(await onDisk(storagePath, keys)).toHaveLength(3);
    await exclude(root, index);
    await index.flush();
    expect(index.counts().files).toBe(2);
    expect(await onDisk(storagePath, keys)).toHaveLength(2);
  });

  it("holds nothing that was excluded while no process ran, and no store of an earlier format", async () => {
    const root = await folderWith({ "a.py": alpha, "b.py": beta });
    const storagePath = await folderWith({ "index-2-aaaaaaaaaaaaaaaa/files-1.log": alpha, "counts.json": "{}" });
    const first = await indexed(root, storagePath);
    expect((await readdir(storagePath)).sort()).toEqual(["counts.json", "index-3-aaaaaaaaaaaaaaaa"]);
    const keys = first.seen.map(vectorKey);
    await first.index.dispose();
    await write(root, { ".selfracgignore": "b.py\n" });
    const { index } = await indexed(root, storagePath);
    await index.dispose();
    expect(await onDisk(storagePath, keys)).toHaveLength(1);
  });

  it("is written again after the storage folder was deleted, and every file stays in the index", async () => {
    const root = await folderWith(manyFiles(20));
    const storagePath = await emptyFolder();
    const { index, warnings } = await indexed(root, storagePath);
    await rm(storagePath, { recursive: true });
    await write(root, { "new.py": gamma });
    await index.updateFile(uriOf(root, "new.py"));
    expect(index.counts().files).toBe(21);
    expect(best(index, "new.py", gamma.trimEnd())).toBe("new.py:1-3");
    expect(warnings).toEqual([]);
    await index.dispose();
    expect((await indexed(root, storagePath)).seen).toHaveLength(40);
  });
});

describe("limits", () => {
  it("bound the fragments in memory, and the latest edited files come first", async () => {
    const root = await folderWith(manyFiles(50));
    await utimes(join(root, "src/part3/file10.py"), new Date(), new Date(Date.now() + 60_000));
    const { index, seen } = await indexed(root, await emptyFolder(), { limits: { maxFragments: 20 } });
    expect(index.fragmentCount).toBe(20);
    expect(seen.length).toBeLessThanOrEqual(24);
    expect(index.counts().excluded).toEqual({ "index full": 40 });
    expect(best(index, "src/part3/file10.py", alpha.replaceAll("alpha", "alpha10").trimEnd())).toBe(
      "src/part3/file10.py:1-3",
    );
  });

  it("bound the file size, and a new limit applies at the next run", async () => {
    const root = await folderWith({ "a.py": alpha, "b.py": alpha.repeat(100) });
    const { index } = await indexed(root, await emptyFolder(), { limits: { maxFileKilobytes: 2 } });
    expect(index.counts()).toMatchObject({ files: 1, excluded: { "too large": 1 } });
    index.setLimits({ maxFileKilobytes: 512 });
    expect(await index.reindex()).toMatchObject({ files: 2, excluded: {} });
  });

  it("bound the store on disk: other models' stores are deleted first, then what was not used for longest", async () => {
    const storagePath = await emptyFolder();
    await (await indexed(await folderWith(manyFiles(200)), storagePath, { hash: "c".repeat(64) })).index.dispose();
    const old = await folderWith(manyFiles(200));
    await (await indexed(old, storagePath)).index.dispose();
    // The last use is stored in seconds.
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const present = await folderWith(
      Object.fromEntries(Object.entries(manyFiles(100)).map(([path, text]) => [`own/${path}`, text])),
    );
    const { index } = await indexed(present, storagePath, { limits: { maxStoreBytes: 200_000 } });
    expect(await readdir(storagePath)).toHaveLength(1);
    expect(index.counts().storeBytes).toBeLessThanOrEqual(200_000);
    expect(index.fragmentCount).toBe(200);
    await index.dispose();
    // The store in use was not deleted.
    const again = await indexed(present, storagePath, { limits: { maxStoreBytes: 200_000 } });
    expect(again.seen).toEqual([]);
  });
});
