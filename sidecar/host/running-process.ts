// Tests whether a process is running.
import { errorCode } from "./errors";

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // The process of another user cannot be signalled, but it is running.
    return errorCode(error) === "EPERM";
  }
}
