// Whether a process runs on this machine.

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's process: it is there.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
