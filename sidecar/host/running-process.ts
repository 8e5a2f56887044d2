// Whether a process runs on this machine.
import { errorCode } from "./errors";

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // A process of another user may not be signalled, but it is running.
    return errorCode(error) === "EPERM";
  }
}
