// The error of a download, and the sentences for what a disk refuses.
import { errorCode, errorMessage } from "../../host/errors";

/** A download that cannot go on. The message says what was expected, what was found and what to do. */
export class DownloadError extends Error {
  override readonly name = "DownloadError";
}

/** Another process is downloading the same file. */
export class DownloadInProgressError extends DownloadError {}

/** 1,500,000 bytes are "2 MB": rounded up, since it states what is needed. */
export function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6).toLocaleString("en-US")} MB`;
}

/** What to do about a folder that cannot be written. */
const otherFolder = "Make it writable, or name another folder for models in the environment variable SELFRACG_MODELS";

/**
 * The same error in words for the user, where the disk is the reason.
 * @param folder what was being written to
 */
export function inWords(error: unknown, folder: string): unknown {
  const code = errorCode(error);
  switch (code) {
    case "ENOSPC":
    case "EDQUOT":
      return new DownloadError(
        `${folder}: expected free disk space, found the disk full. Make room and try again; the download continues where it stopped.`,
        { cause: error },
      );
    case "EACCES":
    case "EPERM":
    case "EROFS":
    case "ENOTDIR":
    case "EEXIST":
      return new DownloadError(`${folder}: expected a folder that can be written, found ${code}. ${otherFolder}.`, {
        cause: error,
      });
    case "EIO":
      return new DownloadError(
        `${folder}: expected a disk that can be written, found an error of the device (${errorMessage(error)}). ${otherFolder}.`,
        { cause: error },
      );
    default:
      return error;
  }
}
