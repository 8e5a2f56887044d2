// Lists the descendants of a process and waits for their end, so that their files can be deleted.
import { execFile } from "node:child_process";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";

/** @typedef {{pid: number, parent: number, name: string}} Process name: distinguishes it from most later processes with the same id */

/** @returns {Promise<Process[]>} all running processes, without zombies; none on systems without `ps` */
async function all() {
  const columns = ["-A", "-o", "pid=,ppid=,state=,comm="];
  const { stdout } = await promisify(execFile)("ps", columns, { maxBuffer: 1 << 26 }).catch(() => ({ stdout: "" }));
  return stdout.split("\n").flatMap((line) => {
    const [, pid, parent, state = "", name = ""] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*\S)/.exec(line) ?? [];
    return pid === undefined || state.startsWith("Z") ? [] : [{ pid: Number(pid), parent: Number(parent), name }];
  });
}

/**
 * @param {number} root id of a process
 * @returns {Promise<Process[]>} its children and their descendants
 */
export async function descendants(root) {
  const running = await all();
  /** @type {Process[]} */
  const found = [];
  for (let parents = new Set([root]); parents.size > 0; ) {
    const children = running.filter(({ parent }) => parents.has(parent));
    found.push(...children);
    parents = new Set(children.map(({ pid }) => pid));
  }
  return found;
}

/**
 * @param {readonly Process[]} processes
 * @returns {Promise<Process[]>} those that have not ended
 */
export async function stillRunning(processes) {
  const running = await all();
  return processes.filter((one) => running.some(({ pid, name }) => pid === one.pid && name === one.name));
}

/** Maximum milliseconds until a killed process is gone. */
const killedMs = 15_000;

/**
 * Waits until these have ended, and kills those that have not ended in time.
 * @param {readonly Process[]} processes
 * @param {number} [patienceMs] how long they may take to end by themselves
 */
export async function untilEnded(processes, patienceMs = 15_000) {
  let killed = false;
  for (let deadline = Date.now() + patienceMs; ; await setTimeout(50)) {
    const left = await stillRunning(processes);
    if (left.length === 0) return;
    if (Date.now() < deadline) continue;
    if (killed) {
      throw new Error(
        `Expected the processes ${left.map(({ pid }) => pid).join(", ")} to end when killed, found them running ${killedMs} ms later. End them by hand.`,
      );
    }
    for (const { pid } of left) kill(pid);
    killed = true;
    deadline = Date.now() + killedMs;
  }
}

/** @param {number} pid */
function kill(pid) {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}
