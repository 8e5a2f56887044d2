// Runs the command line as a process on a copy of the fixture workspace.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { cleanUp, copyOfFixture, dist, endAtCleanUp, modelPath, temporaryFolder } from "./client";

interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
  /** The last line of standard output, parsed. */
  json(): any;
}

interface Options {
  cwd?: string;
  interruptAfter?: RegExp;
  /** Runs a command whose output pipe is closed before anything is written. */
  closed?: "stdout" | "stderr";
}

export function cli(args: string[], options: Options = {}): Promise<Outcome> {
  return new Promise((done, failed) => {
    const child = spawn(process.execPath, [join(dist, "cli.js"), ...args], {
      cwd: options.cwd,
      stdio: ["ignore", "pipe", "pipe"],
    });
    endAtCleanUp(child);
    if (options.closed !== undefined) child[options.closed].destroy();
    let stdout = "";
    let stderr = "";
    let interrupted = false;
    child.stdout.on("data", (bytes) => {
      stdout += String(bytes);
    });
    child.stderr.on("data", (bytes) => {
      stderr += String(bytes);
      if (options.interruptAfter?.test(stderr) === true && !interrupted) interrupted = child.kill("SIGINT");
    });
    child.once("error", failed);
    child.once("close", (code) =>
      done({ code, stdout, stderr, json: () => JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "") }),
    );
  });
}

export let folder: string;
export let common: string[];

beforeAll(async () => {
  folder = await copyOfFixture();
  common = ["--model", modelPath, "--provider", "cpu", "--storage", await temporaryFolder()];
});
afterAll(cleanUp);
