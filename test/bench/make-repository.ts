// Makes a folder a git repository, without running git: in one, what is not ignored is meant, also under names such as `dist`.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Writes what git itself takes for a repository, which has no commits. */
export async function makeRepository(folder: string): Promise<void> {
  for (const name of ["info", "objects", "refs"]) await mkdir(join(folder, ".git", name), { recursive: true });
  await writeFile(join(folder, ".git", "HEAD"), "ref: refs/heads/main\n");
}
