// Makes a folder a git repository without running git, so that only its ignore files exclude files.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Writes the minimum that git accepts as a repository, without commits. */
export async function makeRepository(folder: string): Promise<void> {
  for (const name of ["info", "objects", "refs"]) await mkdir(join(folder, ".git", name), { recursive: true });
  await writeFile(join(folder, ".git", "HEAD"), "ref: refs/heads/main\n");
}
