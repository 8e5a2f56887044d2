// Asks for free disk space before anything is downloaded.
import { statfs } from "node:fs/promises";
import { DownloadError, megabytes } from "./download-error";

/** Bytes that stay free on the disk. */
export const spareBytes = 64 * 2 ** 20;

/** Free bytes for this user on the disk of a folder. */
export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/**
 * @param needed bytes that are going to be written
 * @throws DownloadError when the disk has not as many
 */
export async function checkFreeSpace(folder: string, needed: number, free = freeBytes): Promise<void> {
  const found = await free(folder);
  if (found < needed + spareBytes)
    throw new DownloadError(
      `${folder}: expected ${megabytes(needed + spareBytes)} of free disk space, found ${megabytes(found)}. Make room and try again, or name a folder on another disk in the environment variable SELFRACG_MODELS.`,
    );
}
