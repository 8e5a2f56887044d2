// Makes a large tree of real files: sources of the installed packages, copied to a folder that is not ignored.
import { cp, mkdir, readdir, stat } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { makeRepository } from "./make-repository";

const maxSize = 64 * 1024;
const perPackage = 4;

/** Copies up to `max` files of `modules` to `target`, at most four per package, sorted by path. Returns their number. */
export async function copyLargeTree(modules: string, target: string, max: number): Promise<number> {
  await makeRepository(target);
  let copied = 0;
  for (const folder of await packages(modules)) {
    const files = (await readdir(folder, { recursive: true, withFileTypes: true }))
      .filter(
        (entry) =>
          entry.isFile() &&
          /(?<!\.min)\.(?:[cm]?[jt]s|py)$/.test(entry.name) &&
          !entry.parentPath.slice(folder.length).includes("node_modules"),
      )
      .map((entry) => join(entry.parentPath, entry.name))
      .sort();
    let fromHere = 0;
    for (const file of files) {
      const { size } = await stat(file);
      if (size < 400 || size > maxSize) continue;
      const to = join(target, relative(modules, file));
      await mkdir(dirname(to), { recursive: true });
      await cp(file, to);
      copied += 1;
      fromHere += 1;
      if (copied >= max) return copied;
      if (fromHere >= perPackage) break;
    }
  }
  return copied;
}

async function packages(modules: string): Promise<string[]> {
  const folders: string[] = [];
  for (const entry of await readdir(modules, { withFileTypes: true })) {
    if (!entry.isDirectory() || entry.name.startsWith(".")) continue;
    const folder = join(modules, entry.name);
    if (entry.name.startsWith("@")) folders.push(...(await packages(folder)));
    else folders.push(folder);
  }
  return folders.sort();
}
