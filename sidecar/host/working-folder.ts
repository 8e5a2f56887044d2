// The process's working folder, which may be deleted: then Node.js throws in places that have nothing to do with it.
import { parse } from "node:path";

/**
 * Moves the process to the root folder, which is never deleted. For a server, whose paths are all absolute: the folder that
 * its client started it in may be deleted later, and on Windows could not be while it is used.
 */
export function moveToRoot(): string {
  const { root } = parse(process.execPath);
  process.chdir(root);
  return root;
}

/** The same where the working folder has been deleted. @returns the folder that the process moved to, if it did */
export function leaveDeletedFolder(): string | undefined {
  try {
    process.cwd();
    return undefined;
  } catch {
    return moveToRoot();
  }
}
