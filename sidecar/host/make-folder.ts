// Makes a folder and those above it, and tells whether there is one.
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { asError, isNotFound } from "./errors";

/**
 * Node's own `recursive` never returns when no folder can be made in an existing parent, as in /proc or on some network disks.
 * @param mode of every folder that is made
 * @throws the system's error when the folder cannot be made, or something else has its name
 */
export async function makeFolder(path: string, mode = 0o777): Promise<void> {
  const failure = await tryFolder(path, mode);
  if (failure === undefined) return;
  const parent = dirname(path);
  if (!isNotFound(failure) || parent === path) throw failure;
  // Retried even after an error, because another caller may have made the parent meanwhile.
  if (!(await isFolder(parent))) await makeFolder(parent, mode);
  const again = await tryFolder(path, mode);
  if (again !== undefined) throw again;
}

/** Why the folder could not be made; undefined when it exists. */
async function tryFolder(path: string, mode: number): Promise<Error | undefined> {
  try {
    await mkdir(path, { mode });
    return undefined;
  } catch (error) {
    if (await isFolder(path)) return undefined;
    return asError(error);
  }
}

export async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}
