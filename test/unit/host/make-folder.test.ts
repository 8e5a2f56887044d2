// Folders are made with those above them, and a folder that cannot be made is an error instead of an endless wait.
import { stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { makeFolder } from "../../../sidecar/host/make-folder";
import { emptyFolder } from "../workspace/folder";

it("makes a folder and those above it with its mode, and accepts one that exists", async () => {
  const folder = await emptyFolder();
  for (let time = 0; time < 2; time++) await makeFolder(join(folder, "a", "b", "c"), 0o700);
  for (const path of ["a", "a/b", "a/b/c"]) {
    const found = await stat(join(folder, path));
    expect([found.isDirectory(), found.mode & 0o777]).toEqual([true, 0o700]);
  }
  await symlink(join(folder, "a"), join(folder, "link"));
  await makeFolder(join(folder, "link"));
  await makeFolder("/");
});

it("makes the same folders for many callers at once", async () => {
  const folder = await emptyFolder();
  await Promise.all(Array.from({ length: 20 }, (_, i) => makeFolder(join(folder, "a", "b", `${i % 3}`))));
  expect((await stat(join(folder, "a", "b", "2"))).isDirectory()).toBe(true);
});

it("fails when a file has the name of the folder or of one above", async () => {
  const folder = await emptyFolder();
  await writeFile(join(folder, "file"), "");
  await expect(makeFolder(join(folder, "file"))).rejects.toThrow("EEXIST");
  await expect(makeFolder(join(folder, "file", "a", "b"))).rejects.toThrow("ENOTDIR");
});

it.runIf(process.platform === "linux")("fails when no folder can be made in the parent", async () => {
  await expect(makeFolder("/proc/selfracg")).rejects.toThrow("ENOENT");
  await expect(makeFolder("/proc/selfracg/a/b")).rejects.toThrow("ENOENT");
  await expect(makeFolder("/sys/selfracg")).rejects.toThrow(/EPERM|EACCES|EROFS/);
});
