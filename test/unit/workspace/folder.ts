// Folders made for one test.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach } from "vitest";

const made: string[] = [];

afterEach(async () => {
  for (const folder of made.splice(0)) await rm(folder, { recursive: true, force: true });
});

/** An empty folder that is deleted after the test. */
export async function emptyFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "selfracg-test-"));
  made.push(folder);
  return folder;
}

/** A folder with these files, deleted after the test. */
export async function folderWith(files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
  const folder = await emptyFolder();
  await write(folder, files);
  return folder;
}

export async function write(folder: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
}

/** Files that make a folder a git repository without running git. @param folder `""` or ending in `/` */
export function repositoryFiles(folder = ""): Record<string, string> {
  return {
    [`${folder}.git/HEAD`]: "ref: refs/heads/main\n",
    [`${folder}.git/objects/info/packs`]: "",
    [`${folder}.git/refs/heads/.keep`]: "",
  };
}
