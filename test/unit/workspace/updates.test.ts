// Updates of single files, and indexing that is cancelled or fails, leave an index that is in step with the files.
import { mkdir, rename, rm, symlink, utimes } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { LineChunker } from "../../../sidecar/workspace/chunking/line-chunker";
import type { WorkspaceIndexOptions } from "../../../sidecar/workspace/index-options";
import { cpuTime } from "../cpu-time";
import { emptyFolder, folderWith, write } from "./folder";
import { alpha, best, beta, contents, gamma, indexed, make, manyFiles, RecordingChunker, uriOf } from "./toy-index";
import { toyBackbone, toyNeed } from "./toy-model";

describe("an update of one file", () => {
  it("can be found when the update resolves", async () => {
    const root = await folderWith({ "a.py": `${alpha}\n\n${beta}` });
    const { index, seen } = await indexed(root, await emptyFolder());
    await write(root, { "a.py": `${gamma}\n\n${alpha}\n\n${beta}`, "new/b.py": gamma });
    await index.updateFile(uriOf(root, "a.py"));
    await index.updateFile(uriOf(root, "new", "b.py"));
    expect(best(index, "a.py", gamma.trimEnd())).toBe("a.py:1-3");
    expect(best(index, "a.py", alpha.trimEnd())).toBe("a.py:6-8");
    expect(best(index, "new/b.py", gamma.trimEnd())).toBe("new/b.py:1-3");
    expect(index.fragmentCount).toBe(4);
    expect(seen).toHaveLength(4);
  });

  it("is noticed although the disk's times are too coarse to show it", async () => {
    const root = await folderWith({ "a.py": alpha });
    // In the future, so that it is the current second however slow the test runs.
    const second = Math.floor(Date.now() / 1000) + 600;
    await utimes(join(root, "a.py"), second, second);
    const { index } = await indexed(root, await emptyFolder());
    const change = async (name: string): Promise<void> => {
      await write(root, { "a.py": alpha.replace("alpha", name) });
      await utimes(join(root, "a.py"), second, second);
    };
    await change("alphb");
    await index.reindex();
    expect(best(index, "a.py", alpha.replace("alpha", "alphb").trimEnd())).toBe("a.py:1-3");
    await change("alphc");
    await index.updateFile(uriOf(root, "a.py"));
    expect(best(index, "a.py", alpha.replace("alpha", "alphc").trimEnd())).toBe("a.py:1-3");
  });

  it("does not wait for the indexing of all files", async () => {
    const root = await folderWith(manyFiles(400));
    const { index } = make(await emptyFolder(), { delayMs: 15 });
    await index.setFolders([{ uri: uriOf(root), name: "test" }]);
    let over = false;
    const stop = new AbortController();
    const begun = new Promise<void>(
      (resolve) =>
        void index
          .reindex({ signal: stop.signal, onProgress: (done) => done > 0 && resolve() })
          .catch(() => {})
          .finally(() => (over = true)),
    );
    await begun;
    await write(root, { "saved.py": gamma });
    await index.updateFile(uriOf(root, "saved.py"));
    expect(best(index, "saved.py", gamma.trimEnd())).toBe("saved.py:1-3");
    expect(over).toBe(false);
    stop.abort();
  });

  it("removes deleted files and folders, also when the update finds them deleted", async () => {
    const root = await folderWith({ "a.py": alpha, "d/b.py": beta, "d/e/c.py": gamma, "dd.py": beta });
    const { index } = await indexed(root, await emptyFolder());
    index.removeFile(uriOf(root, "d"));
    expect(contents(index).map((line) => line.split(":")[0])).toEqual(["a.py", "dd.py"]);
    await rm(join(root, "a.py"));
    await index.updateFile(uriOf(root, "a.py"));
    expect(index.counts()).toMatchObject({ files: 1, fragments: 1 });
    index.removeFile(uriOf(root, "never.py"));
    index.removeFile("untitled:Untitled-1");
    await index.updateFile(uriOf("/elsewhere/x.py"));
    expect(index.fragmentCount).toBe(1);
  });

  it("indexes all files of a new folder", async () => {
    const root = await folderWith({ "a.py": alpha });
    const elsewhere = await folderWith({
      "b.py": beta,
      "deep/c.py": gamma,
      "node_modules/x.js": "ignored();\nreally();\nyes();\n",
    });
    const { index } = await indexed(root, await emptyFolder());
    await rename(elsewhere, join(root, "moved"));
    await index.updateFile(uriOf(root, "moved"));
    expect(contents(index).map((line) => line.split(":")[0])).toEqual(["a.py", "moved/b.py", "moved/deep/c.py"]);
    await mkdir(join(root, "node_modules"));
    await write(root, { "node_modules/y.js": "also();\nignored();\nyes();\n" });
    await index.updateFile(uriOf(root, "node_modules"));
    expect(index.fragmentCount).toBe(3);
  });

  it("excludes what rules exclude, and removes what they exclude now", async () => {
    const root = await folderWith({ ".gitignore": "out/\n", "a.py": alpha });
    const { index } = await indexed(root, await emptyFolder());
    await write(root, { "out/x.py": beta, ".env": "KEY=1\nKEY=2\nKEY=3\n", "a.py": `# @generated\n${alpha}` });
    for (const path of ["out/x.py", ".env", "a.py"]) await index.updateFile(uriOf(root, path));
    expect(contents(index)).toEqual([]);
    expect(index.counts().excluded).toEqual({ ignored: 1, secret: 1, generated: 1, data: 1 });
  });

  it("does not follow symbolic links", async () => {
    const elsewhere = await folderWith({ "b.py": beta, "deep/c.py": gamma });
    const root = await folderWith({ "a.py": alpha });
    const { index } = await indexed(root, await emptyFolder());
    await symlink(join(elsewhere, "b.py"), join(root, "link.py"));
    await symlink(elsewhere, join(root, "linked"));
    for (const path of ["link.py", "linked", "linked/b.py", "linked/deep", "linked/deep/c.py"])
      await index.updateFile(uriOf(root, path));
    expect(contents(index).map((line) => line.split(":")[0])).toEqual(["a.py"]);
  });

  it("indexes the newest content when updates overtake each other", async () => {
    const root = await folderWith({ "a.py": alpha });
    const { index } = await indexed(root, await emptyFolder(), { delayMs: 20 });
    const updates: Promise<void>[] = [];
    for (let i = 0; i < 12; i++) {
      await write(root, { "a.py": alpha.replace("alpha", `version${i}`) });
      updates.push(index.updateFile(uriOf(root, "a.py")));
      if (i === 5) updates.push(index.reindex().then(() => {}));
      await new Promise((resolve) => setTimeout(resolve, i % 3 === 0 ? 25 : 1));
    }
    await Promise.all(updates);
    expect(index.fragmentCount).toBe(1);
    expect(best(index, "a.py", alpha.replace("alpha", "version11").trimEnd())).toBe("a.py:1-3");
  });
});

describe("cancelling", () => {
  it("leaves what was done in the index, and the next run does the rest", async () => {
    const root = await folderWith(manyFiles(400));
    const storagePath = await emptyFolder();
    const { index, seen } = make(storagePath, { delayMs: 3 });
    await index.setFolders([{ uri: uriOf(root), name: "test" }]);
    const controller = new AbortController();
    let total = 0;
    const run = index.reindex({
      signal: controller.signal,
      onProgress: (done, all) => {
        total = all;
        if (done > 100) controller.abort();
      },
    });
    await expect(run).rejects.toThrow(/abort/i);
    expect(total).toBe(400);
    const then = index.fragmentCount;
    expect(then).toBeGreaterThan(100);
    expect(then).toBeLessThan(800);
    expect(index.search(toyNeed("a", alpha), 3)).toHaveLength(3);
    const embedded = seen.length;
    await index.reindex();
    expect(index.fragmentCount).toBe(800);
    expect(seen.length).toBe(800);
    expect(seen.length - embedded).toBeLessThan(700);
    await index.dispose();
    expect((await indexed(root, storagePath)).seen).toEqual([]);
  });

  it("never blocks the event loop for long, so that searches run while indexing", async () => {
    const root = await folderWith(manyFiles(600));
    const { index } = make(await emptyFolder(), { delayMs: 2 });
    await index.setFolders([{ uri: uriOf(root), name: "test" }]);
    const sizes: number[] = [];
    let longest = 0;
    let last = cpuTime();
    const began = last;
    const timer = setInterval(() => {
      longest = Math.max(longest, cpuTime() - last);
      sizes.push(index.search(toyNeed("a", alpha), 1200).length);
      last = cpuTime();
    }, 5);
    await index.reindex();
    clearInterval(timer);
    expect(new Set(sizes).size).toBeGreaterThan(3);
    expect(index.search(toyNeed("a", alpha), 1200)).toHaveLength(1200);
    expect(longest).toBeLessThan((cpuTime() - began) / 3);
  });

  it("ignores a file that is deleted after it was listed", async () => {
    const root = await folderWith({ "a.py": alpha, "b.py": beta });
    await utimes(join(root, "a.py"), new Date(), new Date(Date.now() + 60_000));
    const chunker = new RecordingChunker();
    // The newest file is read first, and the other one is deleted in the meantime.
    const deleting: WorkspaceIndexOptions["chunker"] = {
      version: "test",
      chunk: async (path, text) => {
        await rm(join(root, "b.py"), { force: true });
        return chunker.chunk(path, text);
      },
    };
    const { index, warnings } = await indexed(root, await emptyFolder(), { chunker: deleting });
    expect(index.counts()).toMatchObject({ files: 1, fragments: 1, excluded: {} });
    expect(chunker.paths).toEqual(["a.py"]);
    expect(warnings).toEqual([]);
  });

  it("excludes a file that the chunker fails on, with a warning", async () => {
    const root = await folderWith({ "a.py": alpha, "b.py": beta });
    const lines = new LineChunker();
    const failing: WorkspaceIndexOptions["chunker"] = {
      version: "test",
      chunk: async (path, text) => (path === "a.py" ? Promise.reject(new Error("too odd")) : lines.chunk(path, text)),
    };
    const { index, warnings } = await indexed(root, await emptyFolder(), { chunker: failing });
    expect(index.counts()).toMatchObject({ files: 1, excluded: { unreadable: 1 } });
    expect(warnings).toEqual([expect.stringContaining("too odd")]);
  });

  it("rejects when the model fails, and continues at the next call", async () => {
    const root = await folderWith(manyFiles(10));
    const { backbone } = toyBackbone();
    let broken = true;
    const failing: WorkspaceIndexOptions["backbone"] = {
      ...backbone,
      embed: async (rows, signal) =>
        broken ? Promise.reject(new Error("out of memory")) : backbone.embed(rows, signal),
    };
    const { index } = make(await emptyFolder(), { backbone: failing });
    await index.setFolders([{ uri: uriOf(root), name: "test" }]);
    await expect(index.reindex()).rejects.toThrow("out of memory");
    broken = false;
    expect(await index.reindex()).toMatchObject({ files: 10, fragments: 20 });
  });
});
