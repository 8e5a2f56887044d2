// Which files of a real folder are listed and read, and why the others are excluded.

import { execFileSync } from "node:child_process";
import { mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { IgnoreRules } from "../../../../sidecar/workspace/files/ignore";
import { readSource, type WalkOptions, walk } from "../../../../sidecar/workspace/files/walk";
import { contentHash } from "../../../../sidecar/workspace/store/keys";
import { emptyFolder, folderWith } from "../folder";

const maxBytes = 512 * 1024;

async function list(
  root: string,
  options: Partial<WalkOptions> = {},
): Promise<{ files: string[]; skipped: Record<string, string> }> {
  const files: string[] = [];
  const skipped: Record<string, string> = {};
  const rules = await IgnoreRules.create(root);
  for await (const { path } of walk(root, {
    rules,
    from: "",
    nested: new Set(),
    maxBytes,
    onExcluded: (path, reason) => (skipped[path] = reason),
    ...options,
  }))
    files.push(path);
  return { files, skipped };
}

describe("walk", () => {
  it("lists files in name order, with a reason for every excluded entry", async () => {
    const root = await folderWith({
      "src/b.ts": "export const b = 1;\n",
      "src/a.ts": "export const a = 1;\n",
      "main.py": "x = 1\n",
      ".gitignore": "out/\n",
      "out/c.ts": "",
      "logo.png": "png",
      ".env": "TOKEN=1",
      "empty.ts": "",
      "large.ts": "x".repeat(600 * 1024),
    });
    expect(await list(root)).toEqual({
      files: ["main.py", "src/a.ts", "src/b.ts"],
      skipped: {
        ".gitignore": "data",
        out: "ignored",
        "logo.png": "binary",
        ".env": "secret",
        "empty.ts": "empty",
        "large.ts": "too large",
      },
    });
  });

  it("does not follow symbolic links in circles, to nothing, or out of the folder", async () => {
    const elsewhere = await folderWith({ "secret.ts": "x" });
    const root = await folderWith({ "a/x.ts": "x" });
    await symlink(root, join(root, "a", "loop"));
    await symlink(elsewhere, join(root, "away"));
    await symlink(join(root, "nothing"), join(root, "dangling.ts"));
    expect(await list(root)).toEqual({
      files: ["a/x.ts"],
      skipped: { "a/loop": "symbolic link", away: "symbolic link", "dangling.ts": "symbolic link" },
    });
  });

  it("does not open named pipes", async () => {
    const root = await folderWith({ "x.ts": "x" });
    execFileSync("mkfifo", [join(root, "pipe.ts")]);
    expect(await list(root)).toEqual({ files: ["x.ts"], skipped: { "pipe.ts": "not a regular file" } });
  });

  it("does not list nested workspace folders, and can begin below the root", async () => {
    const root = await folderWith({ "a.ts": "a", "inner/b.ts": "b", "other/c.ts": "c", "other/d/e.ts": "e" });
    expect((await list(root, { nested: new Set(["inner"]) })).files).toEqual(["a.ts", "other/c.ts", "other/d/e.ts"]);
    expect((await list(root, { from: "other/d" })).files).toEqual(["other/d/e.ts"]);
  });

  it("rejects when the root is missing, and when it is aborted", async () => {
    const root = await emptyFolder();
    expect((await list(root)).files).toEqual([]);
    await expect(list(join(root, "missing"))).rejects.toThrow(/ENOENT/);
    await expect(list(root, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
  });
});

describe("reading one file", () => {
  it("gives text, size and times of the same moment", async () => {
    const root = await folderWith({ "a.ts": "let a;\r\n" });
    expect(await readSource(root, "a.ts", maxBytes)).toEqual({
      text: "let a;\n",
      hash: contentHash(Buffer.from("let a;\r\n")),
      size: 8,
      changed: expect.any(Number),
      modified: expect.any(Number),
    });
  });

  it("excludes a 50 MB line without reading it", async () => {
    const root = await emptyFolder();
    await writeFile(join(root, "line.ts"), Buffer.alloc(50 << 20, 120));
    const before = process.memoryUsage().rss;
    expect(await readSource(root, "line.ts", maxBytes)).toMatchObject({ reason: "too large", size: 50 << 20 });
    expect(process.memoryUsage().rss - before).toBeLessThan(40 << 20);
    expect(await readSource(root, "line.ts", 64 << 20)).toMatchObject({ reason: "minified" });
  });

  it("excludes a file that was deleted after it was listed, a folder, and invalid UTF-8", async () => {
    const root = await folderWith({ "gone.ts": "x", "latin.ts": Uint8Array.of(0xe4, 0x0a) });
    await rm(join(root, "gone.ts"));
    await mkdir(join(root, "folder.ts"));
    expect(await readSource(root, "gone.ts", maxBytes)).toMatchObject({ reason: "deleted meanwhile" });
    expect(await readSource(root, "folder.ts", maxBytes)).toMatchObject({ reason: "not a regular file" });
    expect(await readSource(root, "latin.ts", maxBytes)).toMatchObject({ reason: "not UTF-8" });
  });

  it("excludes a link, a pipe and a device that took the file's place after it was listed", async () => {
    const root = await folderWith({ "secret.txt": "let secret;\n" });
    await symlink(join(root, "secret.txt"), join(root, "link.ts"));
    await symlink("/dev/zero", join(root, "device.ts"));
    await symlink(join(root, "circle.ts"), join(root, "circle.ts"));
    execFileSync("mkfifo", [join(root, "pipe.ts")]);
    const reasons: Record<string, string> = {};
    for (const name of ["link.ts", "device.ts", "circle.ts", "pipe.ts"]) {
      const found = await readSource(root, name, maxBytes);
      reasons[name] = "reason" in found ? found.reason : "read";
    }
    expect(reasons).toEqual({
      "link.ts": "symbolic link",
      "device.ts": "symbolic link",
      "circle.ts": "symbolic link",
      "pipe.ts": "not a regular file",
    });
  });
});
