// Runs one phase of a benchmark in its own process, so that its memory and threads are those of the phase.
import { fork, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

export interface ChildOptions {
  /** Number of cores that the process is confined to, on systems with `taskset`. */
  readonly cores?: number;
}

/** Runs the phase `phase` of this bundle. @throws Error when it ends without a result */
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
      else
        fail(
          new Error(
            `expected a result of the phase ${phase}, but it ended with ${signal ?? code}: see the lines above`,
          ),
        );
    });
  });
}

/** The first `cores` cores of this process, as an argument of `taskset -c`; undefined on systems without `taskset`. */
export function confinement(cores: number): string | undefined {
  if (process.platform !== "linux" || spawnSync("taskset", ["--version"]).status !== 0) return undefined;
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "";
  const allowed = list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, at) => first + at);
  });
  return allowed.slice(0, cores).join(",");
}
