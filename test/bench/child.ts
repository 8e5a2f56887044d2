// Runs one phase of a benchmark in a process of its own, whose memory and threads are then that phase's alone.
import { fork, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

export interface ChildOptions {
  /** Confines the process to so many cores, where {@link confinement} says that it can be. */
  readonly cores?: number;
}

/** Runs the phase named `phase` of this same bundle. @throws Error when it ends without a result */
export function inProcess<Result>(phase: string, options: unknown, { cores }: ChildOptions = {}): Promise<Result> {
  const confined = cores === undefined ? undefined : confinement(cores);
  return new Promise((done, fail) => {
    const child = fork(
      __filename,
      ["--phase", phase, JSON.stringify(options)],
      confined === undefined
        ? {}
        : { execPath: "taskset", execArgv: ["-c", confined, process.execPath, ...process.execArgv] },
    );
    let result: Result | undefined;
    child.on("message", (message: Result) => {
      result = message;
    });
    child.on("error", fail);
    child.on("exit", (code, signal) => {
      if (result !== undefined && code === 0) done(result);
      else fail(new Error(`expected the phase ${phase} to end with a result, found it ended with ${signal ?? code}`));
    });
  });
}

/** The first `cores` of the cores this process may use, as `taskset -c` takes them; undefined where there is no taskset. */
export function confinement(cores: number): string | undefined {
  if (process.platform !== "linux" || spawnSync("taskset", ["--version"]).status !== 0) return undefined;
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "";
  const allowed = list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, at) => first + at);
  });
  return allowed.slice(0, cores).join(",");
}
