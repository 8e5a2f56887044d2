// Only regular files are read: pipes and devices would never end.
import { execFileSync } from "node:child_process";
import { symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { digestOf } from "../../../sidecar/host/file-hashes";
import { isSpecialFile, openRegularFile, readRegularFile } from "../../../sidecar/host/regular-file";
import { emptyFolder } from "../workspace/folder";

it("a regular file is read, also through a link, up to a bound", async () => {
  const folder = await emptyFolder();
  const path = join(folder, "a");
  await writeFile(path, "grüße");
  await symlink(path, join(folder, "link"));
  expect(await readRegularFile(join(folder, "link"))).toBe("grüße");
  expect(isSpecialFile(path)).toBe(false);
  expect(isSpecialFile(join(folder, "none"))).toBe(false);
  expect(await readRegularFile(path, 7)).toBe("grüße");
  await expect(readRegularFile(path, 6)).rejects.toThrow(/expected at most 6 bytes, found 7/);
  await expect(readRegularFile(join(folder, "none"))).rejects.toThrow(/ENOENT/);
});

it("a pipe, a device, a link to one and a folder are refused at once", async () => {
  const folder = await emptyFolder();
  execFileSync("mkfifo", [join(folder, "pipe")]);
  await symlink("/dev/zero", join(folder, "device"));
  for (const path of [join(folder, "pipe"), join(folder, "device"), "/dev/null", folder]) {
    await expect(openRegularFile(path)).rejects.toThrow(/expected a regular file, found a folder, a pipe/);
    await expect(readRegularFile(path)).rejects.toThrow(/expected a regular file/);
    await expect(digestOf(path)).rejects.toThrow(/expected a regular file/);
    expect(isSpecialFile(path)).toBe(path !== folder);
  }
});
