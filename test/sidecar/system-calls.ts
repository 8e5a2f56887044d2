// Runs a program under strace, and finds system calls that use the network or write outside the allowed folder.
import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import { resolve, sep } from "node:path";

/** Why system calls cannot be traced here; undefined when they can. */
export function obstacleToTracing(): string | undefined {
  if (process.platform !== "linux") return `strace traces programs on Linux only, found ${process.platform}`;
  const trial = spawnSync("strace", ["-f", "-qq", "-o", "/dev/null", "true"], { encoding: "utf8" });
  if (trial.error !== undefined)
    return `strace cannot be started (${trial.error.message}): install it (Debian: apt-get install strace)`;
  return trial.status === 0 ? undefined : `strace may not trace here: ${trial.stderr.trim()}`;
}

/**
 * A prefix for a command line that writes the system calls of all its processes and threads to `traceFile`. No
 * connection is made: each fails as on a machine without a network.
 */
export function traceCommand(traceFile: string): string[] {
  const calls = ["trace=%network,%file,io_uring_setup", "inject=connect:error=ENETUNREACH"];
  return ["strace", "-f", "-y", "-qq", "-o", traceFile, ...calls.flatMap((each) => ["-e", each])];
}

/**
 * An environment in which libraries behave as on a user's machine: no variables of tests, of disabled telemetry or of
 * other folders. io_uring is disabled, because its operations cannot be traced.
 */
export function plainEnvironment(home: string): NodeJS.ProcessEnv {
  return { PATH: process.env.PATH, HOME: home, UV_USE_IO_URING: "0" };
}

export interface Findings {
  /** Calls that make or use a socket or an io_uring, whose operations cannot be traced. */
  readonly network: readonly string[];
  /** Files that are read to resolve a host name. */
  readonly lookUps: readonly string[];
  /** Calls that would create, change or delete a file outside the allowed folder. */
  readonly outside: readonly string[];
}

const networkCalls = /^(?:socket|connect|bind|listen|sendto|sendmsg|sendmmsg|io_uring_setup)$/;
const lookUpFiles = /^\/etc\/(?:hosts|resolv\.conf|host\.conf|gai\.conf)$|\/nscd\/|^\/run\/systemd\/resolve\//;
const changingCalls =
  /^(?:creat|mkdir|mknod|rename|link|symlink|unlink|rmdir|truncate|chmod|fchmodat|l?chown|fchownat|l?setxattr|utime|futimesat)/;
const changingFlags = /\bO_(?:WRONLY|RDWR|CREAT|TRUNC|APPEND|TMPFILE)\b/;
/** A path in strace's output, with the folder that it is relative to: `AT_FDCWD</home/me>, "notes.txt"`. */
const pathArguments = /(?:<([^<>]*)>, )?"((?:[^"\\]|\\.)*)"/g;

/**
 * Reads a trace of {@link traceCommand}.
 * @param storage absolute path of the folder where the program may write
 */
export async function readTrace(traceFile: string, storage: string): Promise<Findings> {
  const network: string[] = [];
  const lookUps: string[] = [];
  const outside: string[] = [];
  for (const line of wholeCalls(await readFile(traceFile, "utf8"))) {
    const [, name = "", rest = ""] = /^\d+\s+(\w+)\((.*)$/.exec(line) ?? [];
    if (name === "") continue;
    const paths = [...rest.matchAll(pathArguments)].map(([, from, path = ""]) =>
      from === undefined ? path : resolve(from, path),
    );
    if (networkCalls.test(name)) network.push(line);
    if (paths.some((path) => lookUpFiles.test(path))) lookUps.push(line);
    const changes = changingCalls.test(name) || (/^open/.test(name) && changingFlags.test(rest));
    if (changes && paths.some((path) => path !== "/dev/null" && !isInside(path, storage))) outside.push(line);
  }
  return { network, lookUps, outside };
}

/** The lines of a trace. strace writes a call in two lines when another thread's call comes between; here it is one. */
function wholeCalls(trace: string): string[] {
  const lines: string[] = [];
  /** By thread: the first part of its call. */
  const unfinished = new Map<string, string>();
  for (const line of trace.split("\n")) {
    const [, thread = "", begun] = /^(\d+)\s.*?(?:( <unfinished \.\.\.>))?$/.exec(line) ?? [];
    const resumed = /^\d+\s+<\.\.\. \w+ resumed>(.*)$/.exec(line)?.[1];
    if (begun !== undefined) unfinished.set(thread, line.slice(0, -begun.length));
    else if (resumed === undefined) lines.push(line);
    else {
      lines.push(`${unfinished.get(thread) ?? ""}${resumed}`);
      unfinished.delete(thread);
    }
  }
  return [...lines, ...unfinished.values()];
}

function isInside(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder + sep);
}
