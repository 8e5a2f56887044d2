// Opens and reads regular files only: a pipe would wait for a writer, and a device may never end.
import { constants, statSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";

/**
 * Flags to open a file for reading. O_NONBLOCK: opening a named pipe would wait for a writer. With O_NOFOLLOW a symbolic link
 * is an error (ELOOP). Windows has neither.
 */
export const readFlags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);
export const readFlagsNoLink = readFlags | (constants.O_NOFOLLOW ?? 0);

/**
 * What is opened is looked at, not what has the name a moment later.
 * @throws the system's error, or an Error for a folder, pipe, socket or device
 */
export async function openRegularFile(path: string): Promise<FileHandle> {
  const file = await open(path, readFlags);
  try {
    if ((await file.stat()).isFile()) return file;
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  throw new Error(`${path}: expected a regular file, found a folder, a pipe, a socket or a device. Remove it.`);
}

/**
 * The text of a UTF-8 file.
 * @throws as {@link openRegularFile}, and an Error for a file of more than `maxBytes`
 */
export async function readRegularFile(path: string, maxBytes = Infinity): Promise<string> {
  const file = await openRegularFile(path);
  try {
    const { size } = await file.stat();
    if (size > maxBytes) throw new Error(`${path}: expected at most ${maxBytes} bytes, found ${size}.`);
    return await file.readFile("utf8");
  } finally {
    await file.close();
  }
}

/** Whether a pipe, a socket or a device has this name. For libraries that open the file themselves. */
export function isSpecialFile(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && !found.isFile() && !found.isDirectory();
}
